"""Shapes of the tensors that travel between the floors, as jaxtyping aliases.

Rows are indexed by ``n``, columns by ``m``, embedding coordinates by ``d``; every object may carry
leading batch dimensions. The aliases are checked by beartype while the tests run and cost nothing else.
"""

from jaxtyping import Bool, Float
from torch import Tensor

Embeddings = Float[Tensor, "*#batch n d"]
"""Points of the first view, one a row."""
OtherEmbeddings = Float[Tensor, "*#batch m d"]
"""Points of the second view, one a row."""
Cost = Float[Tensor, "*batch n m"]
"""What it costs to couple row i with column j."""
Matrix = Float[Tensor, "*batch n m"]
"""A plan, its logarithm, a target or a gradient."""
Allowed = Bool[Tensor, "*#batch n m"]
"""True where a pair may be coupled."""
Rows = Float[Tensor, "*batch n"]
"""One number a row: a potential, a mass, a marginal."""
Cols = Float[Tensor, "*batch m"]
"""One number a column."""
Side = Float[Tensor, "*batch k"]
"""One number for each element of one side, rows or columns alike."""
Mass = Float[Tensor, "*#batch k"]
"""The mass of each element of a side, perhaps shared by all of a batch."""
