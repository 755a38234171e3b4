"""`/v2`: the Open Inference Protocol, with the extensions of Triton that a softmax classifier can use.

`schemas` are the bodies; `tensors` and `codec` turn them into checked arrays and back; `operations` are the paths that
run in both lanes, `routes` the paths that take a GET, with `metadata` for their replies; `changes` load and unload.
"""
