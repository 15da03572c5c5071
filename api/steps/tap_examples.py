"""Queries that clients of TAP offer to who writes one (DALI 1.1, section 2.3)."""

from xml.sax.saxutils import escape

__all__ = ["EXAMPLES", "write_examples"]

_HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<html xmlns="http://www.w3.org/1999/xhtml"><head><title>Queries of LiveTrap</title></head>'
    '<body vocab="http://www.ivoa.net/rdf/examples#"><h1>Queries</h1>\n'
)
_CONE = (
    "select id, ra, dec, eta, v from livetrap.source "
    "where 1 = contains(point('ICRS', ra, dec), circle('ICRS', 123.4, 10.5, 0.5))"
)
_VARIABLE = (
    "select top 10 id, ra, dec, n_datapoints, eta, v from livetrap.source order by eta desc"
)
_LIGHT_CURVE = (
    "select time_start, freq_eff_hz, flux_int_jy, flux_int_err_jy, extraction_type "
    "from livetrap.detection where source_id = 1 order by time_start"
)
_MATCH = (
    "select a.id, b.id as near_id from livetrap.source as a join livetrap.source as b "
    "on 1 = contains(point('ICRS', a.ra, a.dec), circle('ICRS', b.ra, b.dec, 0.1)) "
    "where a.id < b.id and a.eta > 10"
)
_IMAGES = (
    "select obs_id, obs_collection, t_min, em_min, access_url from ivoa.obscore "
    "where 1 = contains(point('ICRS', 123.4, 10.5), circle('ICRS', s_ra, s_dec, s_fov / 2)) "
    "order by t_min desc"
)
# Identity, title, words and ADQL of each.
EXAMPLES = (
    ("cone", "Sources in a cone", "Such a circle is looked up by index.", _CONE),
    ("variable", "The most variable sources", "Ten sources by eta.", _VARIABLE),
    ("light-curve", "A light curve", "Measurements of a source, blind and forced.", _LIGHT_CURVE),
    ("match", "Pairs of sources", "A circle around a column is a cross-match.", _MATCH),
    ("images", "Images of a position", "Without access_url: pixels are deleted.", _IMAGES),
)


def write_examples() -> str:
    """Return the document of the examples, XHTML with RDFa."""
    body = "".join(_write_example(*example) for example in EXAMPLES)
    return f"{_HEAD}{body}</body></html>\n"


def _write_example(identity: str, title: str, words: str, adql: str) -> str:
    return (
        f'<div typeof="example" resource="#{identity}" id="{identity}">'
        f'<h2 property="name">{escape(title)}</h2><p>{escape(words)}</p>'
        f'<pre property="query">{escape(adql)}</pre></div>\n'
    )
