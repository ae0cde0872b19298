"""Prompts: text templates in files, filled in by pure functions.

    problem ─► Facts ─┐                        ┌─► fixed part, the same for a whole run
                      ├─► render(templates) ─► Prompt
    Recipe ─► Context ┘                        └─► text of its own
    (drawn, stored)  (read from the store)

A recipe names all that a prompt shows by number, so a stored prompt is a recipe and two hashes, and
is rendered again identically as long as template and problem are the same.
"""

from __future__ import annotations

from evolve.prompts.facts import facts_of
from evolve.prompts.recipes import (
    NotesRecipe,
    Recipe,
    Source,
    StoredPrompt,
    StoreSource,
    assemble,
    draw,
    render_again,
)
from evolve.prompts.records import Context, Facts, Operator, Prompt, Shown, Step, Tried
from evolve.prompts.rendering import fixed_part, render, render_retry, render_summary
from evolve.prompts.templates import Templates, load_templates

__all__ = [
    "Context",
    "Facts",
    "NotesRecipe",
    "Operator",
    "Prompt",
    "Recipe",
    "Shown",
    "Source",
    "Step",
    "StoreSource",
    "StoredPrompt",
    "Templates",
    "Tried",
    "assemble",
    "draw",
    "facts_of",
    "fixed_part",
    "load_templates",
    "render",
    "render_again",
    "render_retry",
    "render_summary",
]
