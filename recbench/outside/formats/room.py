"""How much a file of answers may come to: what is small on disk may fill any memory."""

from pathlib import Path

from recbench.data.archive import room_of
from recbench.errors import DataError


def check_room(file: Path, size: int) -> None:
    """
    Check what a file comes to, in bytes, as of every archive.

    Raises
    ------
    DataError
        If that is more than 100 times its own size.
    """
    if size > room_of(file):
        raise DataError(
            f"{file} is refused: it unpacks to more than 100 times its size; write it as JSON "
            "Lines, or without compression"
        )
