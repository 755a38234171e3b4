"""Finds the undocumented names of uvicorn that our subclasses use: a version without one of them fails here first."""

import ast
import inspect


def names_after(owner: str, *kinds: type) -> set[str]:
    """Return the attributes that the source of these classes takes from an owner, `self.flow` for example."""
    nodes = [node for kind in kinds for node in ast.walk(ast.parse(inspect.getsource(kind)))]
    return {node.attr for node in nodes if isinstance(node, ast.Attribute) and ast.unparse(node.value) == owner}


def names_of_base(base: object, *kinds: type) -> set[str]:
    """Return the names that subclasses override in their base or take from it."""
    taken = names_after("self", *kinds) | names_after("super()", *kinds)
    return {name for name in taken.union(*map(vars, kinds)) if hasattr(base, name) and not name.startswith("__")}
