"""The settings of knowledge gaps, replays, and of what is held. A part of bot/settings.py."""

from pydantic import Field
from pydantic_settings import BaseSettings


class GapSettings(BaseSettings):
    """What `Settings` takes in: a field is its variable in lower case."""

    concierge_gap_likeness: float = Field(default=0.75, ge=0.3, le=1.0, allow_inf_nan=False)
    concierge_gap_keep_days: int = Field(default=90, ge=1, le=3_650)
    # of each business; the least asked beyond them are forgotten
    concierge_max_gaps: int = Field(default=2000, ge=1, le=100_000)
    concierge_replay_questions: int = Field(default=200, ge=1, le=2_000)
    # a new version of which more than this share of the chunks changed waits to be published; 0: none does
    concierge_hold_share: float = Field(default=0.0, ge=0, le=1, allow_inf_nan=False)
    concierge_replay_seconds: float = Field(default=60.0, gt=0, le=3_600, allow_inf_nan=False)
