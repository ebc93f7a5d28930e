"""AutoTrain's CSV: columns `text` and `target`, or `autotrain_text` and `autotrain_label`. Pure.

Source: Hugging Face AutoTrain, "Text classification".
"""

from __future__ import annotations

from collections.abc import Sequence

TEXT, LABEL = "text", "target"
_PAIRS = ({TEXT, LABEL}, {"autotrain_text", "autotrain_label"})


def recognises(columns: Sequence[str]) -> bool:
    """Tell whether the header is AutoTrain's."""
    return any(pair <= set(columns) for pair in _PAIRS)
