"""Texts as vectors."""

import numpy as np
import numpy.typing as npt

F32 = npt.NDArray[np.float32]
"""Vectors, one a row."""
