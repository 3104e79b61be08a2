"""Which models of RecBole 1.2.1 are models here, what is particular to them, why others are not."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from recbench.registry import Family


def never(_: dict[str, Any]) -> bool:
    """Say no, whatever the hyper-parameters are."""
    return False


def always(_: dict[str, Any]) -> bool:
    """Say yes."""
    return True


def repeats(given: dict[str, Any]) -> bool:
    """Whether RepeatNet adds the loss of its choice, a product of two means over the batch."""
    return bool(given["joint_train"])


def weighs_norms(given: dict[str, Any]) -> bool:
    """Whether ``reg_weight``, one number or some, is not nought."""
    weight = given["reg_weight"]
    return any(weight) if isinstance(weight, list) else bool(weight)


def as_told(_: dict[str, Any]) -> None:
    """Say that a model reads as many items as ``max_length`` says."""


def last_item(_: dict[str, Any]) -> int:
    """Say that a model reads the last item alone."""
    return 1


def latest_of_hrm(given: dict[str, Any]) -> int | None:
    """Return how many items HRM reads; of a mean RecBole sums up all of them."""
    found: int = given["high_order"]
    return found if given["pooling_type_layer_1"] == "max" else None


def none_idle(_: dict[str, Any]) -> dict[str, str]:
    """Say that every setting decides something."""
    return {}


def idle_in_fearec(given: dict[str, Any]) -> dict[str, str]:
    """Say what FEARec's attention in time decides nothing of, where it is off or sees all."""
    if given["dual_domain"] and not given["spatial_ratio"]:
        return dict.fromkeys(
            ("n_heads", "std", "attn_dropout_prob"),
            "with spatial_ratio=0; leave it out, or set spatial_ratio above 0",
        )
    if given["dual_domain"] and given["global_ratio"] == 1:
        return {"std": "with global_ratio=1; leave it out, or set global_ratio below 1"}
    return {}


@dataclass(frozen=True)
class Member:
    """
    One model of RecBole.

    Attributes
    ----------
    summary, reference
        As of `recbench.recommender.System`.
    losses
        What its ``loss_type`` can be, the default first; empty where it has one loss.
    knows_users
        Whether it has a vector of each user.
    unused
        Names in its property file that decide nothing here, and so are no settings.
    counts_with
        Settings that decide something only where another has one of some values, as of
        `recbench.settings.Settings`.
    idle
        The others that decide nothing beside some hyper-parameters, with why.
    reads
        How many of the latest items it reads with some hyper-parameters, whatever ``max_length``
        is; None for so many.
    masks
        Whether RecBole masks items of a batch before a loss.
    left_padded
        Whether it reads histories that are padded on the left.
    makes_room
        Whether RecBole drops the first place of what it is asked about, to put a mask at the end:
        it reads one item less than it is given places.
    needs_whole_batch
        Whether, with some hyper-parameters, its loss is no mean over the rows of a batch, so that
        it cannot be computed for some of them at a time.
    """

    summary: str
    reference: str
    losses: tuple[str, ...] = ("CE", "BPR")
    knows_users: bool = False
    unused: frozenset[str] = frozenset()
    counts_with: Mapping[str, tuple[str, tuple[Any, ...]]] = field(default_factory=dict)
    idle: Callable[[dict[str, Any]], dict[str, str]] = none_idle
    reads: Callable[[dict[str, Any]], int | None] = as_told
    masks: bool = False
    left_padded: bool = False
    makes_room: bool = False
    needs_whole_batch: Callable[[dict[str, Any]], bool] = never


_OF_LAYERS = (
    *("inner_size", "n_layers", "n_heads", "hidden_dropout_prob", "attn_dropout_prob"),
    *("hidden_act", "layer_norm_eps"),
)
_OF_TWO_DOMAINS = ("n_heads", "std", "spatial_ratio", "attn_dropout_prob")

MEMBERS: Mapping[str, Member] = {
    "BERT4Rec": Member(
        "bidirectional self-attention, trained to fill in masked items",
        "Sun et al., CIKM 2019, arXiv 1904.06690",
        unused=frozenset({"transform"}),
        masks=True,
        makes_room=True,
    ),
    "CORE": Member(
        "a weighted mean of item vectors, compared with items in their own space",
        "Hou et al., SIGIR 2022, arXiv 2204.11067",
        losses=("CE",),
        unused=frozenset({"initializer_range"}),  # all weights are drawn again by their sizes
        counts_with=dict.fromkeys(_OF_LAYERS, ("dnn_type", ("trm",))),
    ),
    "FEARec": Member(
        "self-attention mixed with an auto-correlation in the frequency domain",
        "Du et al., SIGIR 2023, arXiv 2304.09184",
        # Of its contrastive losses, which RecBole's property file leaves off.
        unused=frozenset({"lmd", "lmd_sem", "fredom", "fredom_type"}),
        counts_with=dict.fromkeys(_OF_TWO_DOMAINS, ("dual_domain", (True,))),
        idle=idle_in_fearec,
        needs_whole_batch=always,  # it mixes a row's items at the distances that suit the batch
    ),
    "GCSAN": Member(
        "a graph network over the session, then self-attention", "Xu et al., IJCAI 2019"
    ),
    "GRU4Rec": Member(
        "a recurrent network over the sequence of items", "Tan et al., DLRS 2016, arXiv 1606.08117"
    ),
    "GRU4RecCPR": Member(
        "GRU4Rec with a softmax that copies from the history and reranks",
        "Chang et al., WSDM 2024",
        losses=("CE",),
    ),
    "LightSANs": Member(
        "self-attention over a few latent interests instead of all items", "Fan et al., SIGIR 2021"
    ),
    "NARM": Member(
        "a recurrent network with attention to what the session is about",
        "Li et al., CIKM 2017, arXiv 1711.04725",
    ),
    "NextItNet": Member(
        "dilated convolutions over the sequence of items",
        "Yuan et al., WSDM 2019, arXiv 1808.05163",
    ),
    "RepeatNet": Member(
        "a recurrent network that chooses between repeating and exploring",
        "Ren et al., AAAI 2019, arXiv 1812.02646",
        losses=(),
        unused=frozenset({"loss_type"}),
        needs_whole_batch=repeats,
    ),
    "SASRec": Member(
        "self-attention over the sequence of items",
        "Kang and McAuley, ICDM 2018, arXiv 1808.09781",
    ),
    "SASRecCPR": Member(
        "SASRec with a softmax that copies from the history and reranks",
        "Chang et al., WSDM 2024",
        losses=("CE",),
    ),
    "SINE": Member(
        "a few interests a user, chosen from many prototypes",
        "Tan et al., WSDM 2021, arXiv 2102.09267",
        losses=("CE", "BPR", "NLL"),
        counts_with={"reg_loss_ratio": ("loss_type", ("NLL",))},
    ),
    "SRGNN": Member("a graph network over the session", "Wu et al., AAAI 2019, arXiv 1811.00855"),
    "STAMP": Member(
        "attention to the history, with weight on the last item", "Liu et al., KDD 2018"
    ),
    "Caser": Member(
        "convolutions over the last items, beside a vector of the user",
        "Tang and Wang, WSDM 2018, arXiv 1809.07426",
        knows_users=True,
    ),
    "FOSSIL": Member(
        "similarity of items and a Markov chain weighed by user",
        "He and McAuley, ICDM 2016, arXiv 1609.09152",
        knows_users=True,
        needs_whole_batch=weighs_norms,
    ),
    "FPMC": Member(
        "matrix factorisation and a factorised Markov chain",
        "Rendle et al., WWW 2010",
        losses=("BPR",),
        knows_users=True,
        reads=last_item,
    ),
    "HGN": Member(
        "gates over features and items, by user",
        "Ma et al., KDD 2019, arXiv 1906.09217",
        knows_users=True,
        needs_whole_batch=weighs_norms,
    ),
    "HRM": Member(
        "the user's vector and the last items', pooled",
        "Wang et al., SIGIR 2015",
        knows_users=True,
        reads=latest_of_hrm,
    ),
    "NPE": Member(
        "the user's vector and those of the items, passed through a ReLU",
        "Nguyen and Takasu, IJCAI 2018",
        knows_users=True,
    ),
    "SHAN": Member(
        "attention over the long history, then over it and the short one",
        "Ying et al., IJCAI 2018",
        knows_users=True,
        unused=frozenset({"transform"}),
        left_padded=True,
        needs_whole_batch=weighs_norms,
    ),
    "TransRec": Member(
        "a user is a step from the last item to the next",
        "He et al., RecSys 2017, arXiv 1707.02410",
        losses=(),
        knows_users=True,
        reads=last_item,
    ),
}

_FEATURES = "features of items are needed, which a sequence of item ids has not"
_CLICKS = "single clicks are predicted from features; no next item is ranked"
_GRAPH = "a knowledge graph about the items is needed"
_SETS = "a user's items are a set without order there: no sequential recommender"
_TREES = "gradient boosting on features by another library: no torch module"

_REASONS: Mapping[str, str] = {
    "FDSA GRU4RecF S3Rec SASRecF": _FEATURES,
    "DIEN DIN AFM AutoInt DCN DCNV2 DSSM DeepFM EulerNet FFM FM FNN FiGNN FwFM KD_DAGFM LR NFM PNN "
    "WideDeep xDeepFM": _CLICKS,
    "GRU4RecKG KSR CFKG CKE KGAT KGCN KGIN KGNNLS KTUP MCCLK MKR RippleNet": _GRAPH,
    "ADMMSLIM AsymKNN BPR CDAE ConvNCF DGCF DMF DiffRec EASE ENMF FISM GCMC ItemKNN LDiffRec LINE "
    "LightGCN MacridVAE MultiDAE MultiVAE NAIS NCEPLRec NCL NGCF NNCF NeuMF Pop RaCT Random RecVAE "
    "SGL SLIMElastic SimpleX SpectralCF": _SETS,
    "LightGBM XGBoost": _TREES,
}

FAMILY = Family(
    summary="sequential recommenders of RecBole 1.2.1 that need item ids alone; "
    f"{', '.join(name for name, one in MEMBERS.items() if one.knows_users)} "
    "know each user by a vector, and are asked under next-item only",
    left_out={name: reason for names, reason in _REASONS.items() for name in names.split()},
)
