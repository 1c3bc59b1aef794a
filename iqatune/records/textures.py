"""What a document says of textures, and of how tolerant a metric is of them."""

from pydantic import Field

from iqatune.records.base import Count, Deviation, Model, Number, Positive, Sha256


class Textures(Model):
    """The textures whose crops a metric is shown."""

    source: str = Field(description="the folder's name, or scikit-image")
    textures: Positive
    crop_pairs: Positive = Field(description="the four quarters of every texture, each with each")
    left_out: Count = Field(default=0, description="textures that are too small")
    sha256: Sha256 = Field(description="of the images' contents and of where the crops are")


class HeldOutTolerance(Model):
    """Texture tolerance on held-out pairs: mean D of all crop pairs over mean D of these; smaller is more tolerant.

    Textures have no scores, so that no fold holds any of them out.
    """

    tuned: Deviation
    uniform: Deviation


class TextureTolerance(Model):
    """Mean D of the crop pairs over mean D of the data set's pairs: smaller is more tolerant."""

    value: Deviation
    low: Number = Field(description="of the 95 % interval, Student's t over textures; null of a single one")
    high: Number
