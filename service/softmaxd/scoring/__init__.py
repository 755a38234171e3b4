"""`softmaxd predict`: the rows of a file → a file of answers, without a server.

The rows take the way of a request: `/predict` decodes them, the same engine runs them, and its digits are written.
"""
