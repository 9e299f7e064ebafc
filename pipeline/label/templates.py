"""Templates of prompts, rendered for a million articles: what is the same for all of them is rendered once."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

import jinja2
from jinja2 import nodes

_MARK = uuid.uuid4().hex  # stands around the name of a variable where its value will; nobody's text has it
_FEW_VALUES = {"language"}  # a corpus has few, so a template may choose by it, and is rendered once for each
_MOST_KEPT = 256


class SplicedTemplate:
    """A template that prints texts of an article as they are: they are put between pieces that were rendered before.

    Jinja takes five times as long, half of what it takes to make a request.
    """

    def __init__(self, template: jinja2.Template, printed: Collection[str], choosing: Collection[str]) -> None:
        self._template, self._marks = template, {name: f"{_MARK}{name}{_MARK}" for name in printed}
        self._choosing = sorted(choosing)
        self._pieces: dict[tuple[Any, ...], list[str]] = {}

    def render(self, variables: Mapping[str, Any]) -> str:
        """Return what the template gives for these variables, to the letter; raises what it raises."""
        try:
            pieces = self._pieces_for(variables)
            pieces[1::2] = [str(variables[name]) for name in pieces[1::2]]
        except KeyError:  # the template has words for that
            return self._template.render(variables)
        return "".join(pieces)

    def _pieces_for(self, variables: Mapping[str, Any]) -> list[str]:
        """Return texts and names of variables in turn, in a list of its own."""
        values = tuple([variables[name] for name in self._choosing])
        pieces = self._pieces.get(values)
        if pieces is None:
            pieces = self._template.render({**variables, **self._marks}).split(_MARK)
            if len(self._pieces) < _MOST_KEPT:
                self._pieces[values] = pieces
        return pieces.copy()


def spliced(
    template: jinja2.Template, tree: nodes.Template, used: Collection[str], changing: Collection[str]
) -> jinja2.Template | SplicedTemplate:
    """Return a template that renders the same, faster where it can.

    `tree` is the template parsed, `used` names its variables, `changing` those that differ from article to article.
    """
    names, printed = Counter(name.name for name in tree.find_all(nodes.Name)), _printed(tree)
    plain = {name for name in changing if 0 < names[name] == printed[name]}
    choosing = (set(used) & set(changing)) - plain
    return SplicedTemplate(template, plain, choosing) if plain and choosing <= _FEW_VALUES else template


def _printed(tree: nodes.Template) -> Counter[str]:
    """Count how often each variable is printed as it is: by no filter, in no loop, block or macro, which may look at what it
    prints."""
    counts, waiting = Counter[str](), list[nodes.Node](tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, nodes.Output):
            counts.update(child.name for child in node.nodes if isinstance(child, nodes.Name))
        elif isinstance(node, nodes.If):
            waiting += [*node.body, *node.elif_, *node.else_]
    return counts
