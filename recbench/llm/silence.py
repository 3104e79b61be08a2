"""What transformers and the hub remark while they work, kept from the user."""

from collections.abc import Iterator
from contextlib import contextmanager

from huggingface_hub.utils import logging as hub_logging
from transformers import modeling_gguf_pytorch_utils
from transformers.utils import logging


@contextmanager
def quiet() -> Iterator[None]:
    """Silence the bars and remarks of transformers and of the hub while a model is read."""
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    hub_level = hub_logging.get_verbosity()
    logging.set_verbosity_error()
    hub_logging.set_verbosity_error()  # else a line for every try to reach the hub
    logging.disable_progress_bar()
    # The bar of GGUF files alone does not ask that switch by itself.
    gguf_bar, modeling_gguf_pytorch_utils.tqdm = modeling_gguf_pytorch_utils.tqdm, logging.tqdm
    try:
        yield
    finally:
        modeling_gguf_pytorch_utils.tqdm = gguf_bar
        logging.set_verbosity(level)
        hub_logging.set_verbosity(hub_level)
        if bars:
            logging.enable_progress_bar()
