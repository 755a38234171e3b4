"""`softmaxd models push` and `pull`: versions on their way between folders of models, through a store of archives.

A store is a folder, a web server or object storage. `names` says which files it has, `archive` which bytes they are.
Only the command imports this package: serving opens no connection.
"""
