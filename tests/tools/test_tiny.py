"""The first weights of the built-in model: what they can do before any training."""

from types import ModuleType

import pytest
import torch

COLON, NEWLINE = 30, 201


@pytest.fixture(scope="module")
def wiring(load) -> ModuleType:
    return load("tiny/wiring")


def test_it_is_under_three_million_parameters_and_leaves_torch_alone(wiring: ModuleType) -> None:
    state = torch.random.get_rng_state()
    model = wiring.new_model(COLON, NEWLINE)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert sum(weight.numel() for weight in model.parameters()) < 3_000_000


def test_untrained_it_already_names_the_likeliest_candidate(wiring: ModuleType) -> None:
    """10 marks near one vector, 20 candidates: 1 right in 20 would be chance."""
    model = wiring.new_model(COLON, NEWLINE).eval()
    random = torch.Generator().manual_seed(0)
    right = sum(_answers_rightly(model, random) for _ in range(40))
    assert right >= 10


def _answers_rightly(model: torch.nn.Module, random: torch.Generator) -> bool:
    table = model.model.embed_tokens.weight.detach()
    spread = (table - table.mean(0)).pow(2).mean().sqrt()
    header = [*torch.randint(300, 4096, (4,), generator=random).tolist(), COLON, NEWLINE]
    titles = torch.randperm(3700, generator=random)[:60].reshape(30, 2) + 300
    marks = torch.randn(30, table.shape[1], generator=random)
    target = int(torch.randint(20, (1,), generator=random))
    user = torch.randn(table.shape[1], generator=random)
    for place in (*range(10), 10 + target):
        marks[place] = 0.95 * user + 0.3 * marks[place]
    ids, places = [1], []
    for line, title in enumerate(titles.tolist()):
        ids += header if line in (0, 10) else []
        ids += [*title, 0, NEWLINE]
        places.append(len(ids) - 2)
    ids += header
    with torch.no_grad():
        inputs = model.model.embed_tokens(torch.tensor([ids]))
        inputs[0, places] = table.mean(0) + marks * spread
        logits = model(inputs_embeds=inputs).logits[0, -1]
    return int(logits.argmax()) == int(titles[10 + target, 0])
