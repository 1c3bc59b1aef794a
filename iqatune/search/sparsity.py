"""What a fit is asked to leave out."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sparsity:
    """Which stages may have weight, and what weight costs.

    Attributes:
        penalty: what a unit of weight adds to the loss for each unit of its stage's share of all costs; 0 for nothing.
        stage_costs: what computing each stage costs beyond those before it, the image's 0 first; none without penalty.
        last_stage: stages after it have no weight; None for no limit.
    """

    penalty: float = 0.0
    stage_costs: tuple[float, ...] = ()
    last_stage: int | None = None

    @property
    def asked(self) -> bool:
        """Whether anything may be left out."""
        return self.penalty > 0 or self.last_stage is not None
