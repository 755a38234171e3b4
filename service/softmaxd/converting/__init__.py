"""`softmaxd models add`: makes ONNX of a library's own file, and compares it with the library.

Start with `prepare`. `kinds` tells by its content of which library a file is. A process of its own opens it: `apart` is
our side, `worker` the other. There `networks`, `scikit_learn` and `boosters` make an `Original` of a file: ONNX graphs,
and a function that gives the outputs of the library itself. `columns` has the types of the columns of a table,
`known` the numbers and texts that a model knows of them, which `back` takes back through its steps, and `drawing` makes
rows of these. `checking` compares the outputs with the served probabilities.
This package imports `adding`, `models`, `numerics` and `errors`. Serving code never imports it.
"""
