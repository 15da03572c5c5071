"""How wide the boxes of a search are: few long ones where the catalogue is empty in between."""

from collections import OrderedDict

__all__ = ["SearchGaps"]

_FIRST_DEG, _LEAST_DEG, _MOST_DEG = 0.25, 1 / 1024, 20.0
# Of each search: until one was too wide, and after that.
_GROWTH, _SLOW_GROWTH, _SHRINKAGE = 2.0, 1.003, 0.25
# A row that is read for nothing costs as much as the scan of an index that it saves.
_ROWS_A_SCAN = 1.0
_MOST_STREAMS = 1000


class SearchGaps:
    """Learns which gaps between the boxes of a search are cheaper read than left out.

    It changes what a search costs, not what it finds. One process has it for all its transactions;
    the streams that were searched last are kept.
    """

    def __init__(self) -> None:
        # The gap of each stream, and how it grows.
        self._gaps: OrderedDict[int, tuple[float, float]] = OrderedDict()

    def gap_deg(self, stream_id: int) -> float:
        """Return the widest gap that a search of a stream closes [deg]."""
        return self._gaps.get(stream_id, (_FIRST_DEG, _GROWTH))[0]

    def learn(self, stream_id: int, *, n_saved: int, n_extra: int) -> None:
        """Widen or narrow the gaps of a stream for its next search.

        Parameters
        ----------
        stream_id : int
            The stream.
        n_saved : int
            Scans of the index that wider boxes saved [-].
        n_extra : int
            Sources that were read for nothing [-].
        """
        gap_deg, growth = self._gaps.get(stream_id, (_FIRST_DEG, _GROWTH))
        if n_extra > _ROWS_A_SCAN * n_saved:
            gap_deg, growth = gap_deg * _SHRINKAGE, _SLOW_GROWTH
        else:
            gap_deg *= growth
        self._gaps[stream_id] = min(max(gap_deg, _LEAST_DEG), _MOST_DEG), growth
        self._gaps.move_to_end(stream_id)
        if len(self._gaps) > _MOST_STREAMS:
            self._gaps.popitem(last=False)
