"""The native HTTP interface: `/softmax`, `/predict`, `/models`, and the health of the process.

`schemas` are the bodies, `codec` turns them into checked arrays and back, `operations` are the paths that take a POST,
`routes` the paths that take a GET.
"""
