"""The report of a run: one HTML file that needs nothing else, or Markdown with pictures.

Everything a candidate, a model, a problem or a user has written is hostile here. It reaches the
page through one door (`page.inert_html`), which shows what a reader's machine would obey.
"""

from evolve.report.facts import Facts, gather
from evolve.report.markdown import write_markdown
from evolve.report.page import html

__all__ = ["Facts", "gather", "html", "write_markdown"]
