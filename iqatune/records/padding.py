"""How images are brought to a size that a backbone takes: a part of protocols and of exports."""

from iqatune.records.base import Model, Positive


class Padding(Model):
    """Zeros to the right of and below every normalised image, both images of a pair alike.

    Maps are cropped to what shows the image before anything is measured on them.

    Attributes:
        multiple: the padded sides are the smallest multiples of it that hold the image, in pixels.
        square: whether both sides are the longer one.
    """

    multiple: Positive
    square: bool = False

    def __str__(self) -> str:
        return f"{'squares of ' if self.square else ''}multiples of {self.multiple}"

    def padded(self, height: int, width: int) -> tuple[int, int]:
        """The size (height, width) that an image is padded to.

        >>> Padding(multiple=16).padded(256, 341)
        (256, 352)
        """
        rows, columns = (-(-side // self.multiple) * self.multiple for side in (height, width))
        return (max(rows, columns),) * 2 if self.square else (rows, columns)
