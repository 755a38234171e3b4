"""`/v2`: the Open Inference Protocol, with the extensions of Triton that a softmax classifier can use.

`schemas` are the bodies; `tensors` and `codec` turn them into checked arrays and back; `operations` are the paths that
run in both lanes. `routes` are the paths that take a GET: `descriptions` are their replies, `metadata` makes them.
`changes` are the paths that load and unload models.
"""
