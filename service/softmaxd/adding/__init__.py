"""`softmaxd models add`: turns an ONNX classifier into a model that the service can serve.

Start with `add`. `graphs` reads ONNX, `running` runs it on a few rows, `given` makes rows like those of a table,
`operators`, `heads` and `inspection` find out its meaning, `rewiring` changes it, `labels` names its classes and
compares the names with those that the file gives. `comparison` compares them with those of a table.
`inputs` finds the inputs, which may be a table (`tables`); `columns` follows its features through the graph, `examples`
makes rows of it, `categories` and `missing` find the texts that it knows and the values that may be missing, and
`features` describes them.
This package imports `models`, `numerics` and `errors`. Serving code never imports it, because it needs onnx.
"""
