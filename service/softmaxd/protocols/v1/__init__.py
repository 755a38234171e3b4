"""`/v1`: the REST interface of TensorFlow Serving and the V1 protocol of KServe, on the same paths.

`schemas` are the bodies, `codec` turns them into checked arrays and back, `operations` are the paths that take a POST,
`routes` the paths that take a GET.
"""
