"""Write formulas as MathML, which browsers render themselves: no script, no font, no network."""

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

__all__ = ["setup"]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the renderer and choose it.

    Parameters
    ----------
    app : Sphinx
        The build.

    Returns
    -------
    dict
        That pages may be read in parallel.
    """
    app.add_html_math_renderer("mathml", (_visit_inline, None), (_visit_block, None))
    app.config.html_math_renderer = "mathml"
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _visit_inline(translator: HTML5Translator, node: nodes.Element) -> None:
    translator.body.append(tex2mathml(node.astext(), as_block=False))
    raise nodes.SkipNode


def _visit_block(translator: HTML5Translator, node: nodes.Element) -> None:
    translator.body.append(
        f'<div class="livetrap-math">{tex2mathml(node.astext(), as_block=True)}</div>'
    )
    raise nodes.SkipNode
