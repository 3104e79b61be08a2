"""From the name of a device to one that is there."""

from recbench.errors import UserError, unknown


def resolve(name: str) -> str:
    """
    Choose and check a device.

    Parameters
    ----------
    name
        ``"auto"`` (the first GPU, else the CPU), ``"cpu"``, ``"cuda"`` or ``"cuda:N"``.

    Returns
    -------
    str
        ``"cpu"`` or ``"cuda:N"``.

    Raises
    ------
    UserError
        For another name, where there is no GPU, or no GPU of that number.
    """
    if name == "cpu":
        return name
    kind, colon, number = name.partition(":")
    if name != "auto" and (kind != "cuda" or (colon and not number.isdecimal())):
        raise unknown("device", name, ("auto", "cpu", "cuda", "cuda:0"))
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        return "cuda:0" if count else "cpu"
    if not count:
        raise UserError(f"no GPU is there for device '{name}'; use --device cpu or --device auto")
    index = int(number or 0)
    if index >= count:
        raise UserError(f"there is no device '{name}'; the last GPU is cuda:{count - 1}")
    return f"cuda:{index}"
