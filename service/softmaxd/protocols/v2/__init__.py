"""`/v2`: the Open Inference Protocol, with the extensions of Triton that a softmax classifier can use.

`schemas` are the bodies, `codec` turns them into checked arrays and back, `routes` is the HTTP around them.
"""
