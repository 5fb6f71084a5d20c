"""The cascaded encoder: attention, segmentation, the condition map, freezing, fusion of frames."""

from __future__ import annotations

import pytest
import timm
import torch
from torch import Tensor, nn

from palsy_cli.networks.hb_cascade import (
    SIZES,
    ChannelAttention,
    HBCascade,
    HouseBrackmannGrader,
    SegmentationEncoder,
    SpatialAttention,
    fuse_log_softmax,
)


def tiny(seed: int = 0, **overrides: object) -> HBCascade:
    torch.manual_seed(seed)
    return HBCascade(**(SIZES["tiny"] | overrides))


def images(count: int = 2, side: int = 64, seed: int = 0) -> Tensor:
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(seed))


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def awaken(encoder: SegmentationEncoder) -> None:
    """Open the attentions, which start at zero."""
    for part in (*encoder.spatial, encoder.channel):
        nn.init.constant_(part.weight, 0.5)


# --- sizes ------------------------------------------------------------------------------------------------------


def test_the_papers_size_has_the_parameters_of_its_table() -> None:
    with torch.device("meta"):
        cascade = HBCascade(**SIZES["paper"])
    backbone = 44_549_160 - (2048 * 1000 + 1000)  # ResNet-101 without its classifier.
    spatial = sum(3 * (256 * 256 * k * k + 2 * 256) + 1 for k in (3, 5, 7))
    reduce_and_fuse = 9 * 2048 * 256 + 2 * 256 + 9 * 3 * 256 * 256 + 256
    classifier, channel = 257 * 10, 1
    assert parameters(cascade.encoder) == backbone + spatial + reduce_and_fuse + classifier + channel == 65_314_638
    vgg16 = 138_357_544 - (4096 * 1000 + 1000) + (4096 * 6 + 6)  # VGG-16 with six outputs.
    condition = 9 * 16 * 64 + 2048 * 16 + 16
    assert parameters(cascade.grader) == vgg16 + condition == 134_327_126


def test_imagenet_weights_of_timm_fit_the_papers_encoders_by_name() -> None:
    with torch.device("meta"):
        cascade = HBCascade(**SIZES["paper"])
        resnet = timm.create_model("resnet101").state_dict()
        vgg = timm.create_model("vgg16").state_dict()
    ours = cascade.encoder.backbone.state_dict()
    assert {k: v.shape for k, v in resnet.items() if not k.startswith("fc.")} == {k: v.shape for k, v in ours.items()}
    ours = {f"features.{k}": v.shape for k, v in cascade.grader.features.state_dict().items()}
    assert ours.pop("features.0.weight") == (64, 19, 3, 3)
    assert ours == {k: v.shape for k, v in vgg.items() if k in ours}


@pytest.mark.parametrize(("size", "latent"), [("paper", 2048), ("compact", 512), ("tiny", 32)])
def test_shapes_of_every_size(size: str, latent: int) -> None:
    with torch.device("meta"), torch.no_grad():
        cascade = HBCascade(**SIZES[size]).eval()
        side = cascade.input_size
        x = torch.zeros(2, 3, side, side)
        logits, z = cascade.encoder(x)
        assert logits.shape == (2, 10, side, side)
        assert z.shape == (2, latent, side // 8, side // 8)
        assert cascade(x).shape == (2, 6)


def test_the_last_stages_dilate_instead_of_striding() -> None:
    with torch.device("meta"):
        backbone = HBCascade(**SIZES["paper"]).encoder.backbone
    assert [len(backbone.get_submodule(f"layer{i}")) for i in (1, 2, 3, 4)] == [3, 4, 23, 3]
    assert backbone.get_submodule("layer3")[1].conv2.dilation == (2, 2)
    assert backbone.get_submodule("layer4")[1].conv2.dilation == (4, 4)


def test_tiny_is_tiny() -> None:
    assert 4 * parameters(tiny()) < 1_000_000


# --- attention --------------------------------------------------------------------------------------------------


def test_attention_starts_closed() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 4, 5, 6)
    assert (SpatialAttention(4, kernel=3)(x) == 0).all()
    assert (ChannelAttention()(x) == 0).all()


def test_spatial_attention_equals_its_equations() -> None:
    torch.manual_seed(0)
    part = SpatialAttention(4, kernel=5, qk_reduction=2).eval()
    nn.init.constant_(part.weight, 0.7)
    x = torch.randn(2, 4, 5, 6)
    q, k, v = (f(x).flatten(2) for f in (part.query, part.key, part.value))
    assert q.shape == (2, 2, 30)
    s = torch.einsum("nci,ncj->nji", q, k).softmax(-1)
    expected = 0.7 * torch.einsum("nji,nci->ncj", s, v).reshape(x.shape)
    torch.testing.assert_close(part(x), expected)


def test_channel_attention_equals_its_equations() -> None:
    part = ChannelAttention()
    nn.init.constant_(part.weight, 0.7)
    x = torch.randn(2, 4, 3, 3, generator=torch.Generator().manual_seed(0))
    rows = x.flatten(2)
    c = torch.einsum("njd,nid->nji", rows, rows).softmax(-1)
    torch.testing.assert_close(part(x), 0.7 * torch.einsum("nji,nid->njd", c, rows).reshape(x.shape))


def test_gradient_reaches_every_parameter_of_stage_a() -> None:
    encoder = tiny(end_to_end=True).encoder
    awaken(encoder)
    logits, _ = encoder(images())
    target = torch.randint(0, 10, (2, 64, 64), generator=torch.Generator().manual_seed(0))
    nn.functional.cross_entropy(logits, target).backward()
    dead = [name for name, p in encoder.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert dead == []


# --- stage B ----------------------------------------------------------------------------------------------------


def test_stage_b_trains_e2_and_leaves_e1_as_it_was() -> None:
    cascade = tiny().train()
    assert not cascade.encoder.training and cascade.grader.training
    before = {key: value.clone() for key, value in cascade.encoder.state_dict().items()}
    optimiser = torch.optim.Adam(cascade.trainable_parameters(), 1e-2)
    nn.functional.cross_entropy(cascade(images()), torch.tensor([0, 5])).backward()
    assert all(p.grad is None for p in cascade.encoder.parameters())
    dead = [name for name, p in cascade.grader.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert dead == []
    optimiser.step()
    for key, value in cascade.encoder.state_dict().items():
        assert torch.equal(value, before[key]), f"{key} changed, statistics of batch norms included"


def test_end_to_end_trains_the_backbone_too() -> None:
    cascade = tiny(end_to_end=True).train()
    assert cascade.encoder.training
    nn.functional.cross_entropy(cascade(images()), torch.tensor([0, 5])).backward()
    first = cascade.encoder.backbone.conv1.weight.grad
    assert first is not None and first.abs().sum() > 0


def test_a_cascade_can_be_made_of_trained_parts() -> None:
    whole = tiny().eval()
    encoder = SegmentationEncoder(**SIZES["tiny"]["encoder"]).requires_grad_(True)
    encoder.load_state_dict(whole.encoder.state_dict())
    again = HBCascade(encoder, whole.grader).eval()
    with torch.no_grad():
        torch.testing.assert_close(again(images()), whole(images()))
    assert not any(p.requires_grad for p in encoder.parameters())


def test_the_latent_map_conditions_the_grade() -> None:
    grader = tiny().grader.eval()
    x, z = images(), torch.randn(2, 32, 8, 8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert not torch.allclose(grader(x, z), grader(x, 5 * z))


def test_condition_channels_start_ten_times_smaller() -> None:
    torch.manual_seed(0)
    weight = HouseBrackmannGrader(8, condition=16, divisor=2, pool=1, fc=8).features[0].weight.detach()
    ratio = float(weight[:, 3:].std() / weight[:, :3].std())
    assert ratio == pytest.approx(0.1, rel=0.1)


def test_batch_order_does_not_matter() -> None:
    cascade = tiny().eval()
    x = images(3)
    with torch.no_grad():
        torch.testing.assert_close(cascade(x.flip(0)), cascade(x).flip(0))


def test_wrong_input_is_refused() -> None:
    cascade = tiny()
    for shape in ((2, 1, 64, 64), (3, 64, 64)):
        with pytest.raises(ValueError, match="expected"):
            cascade(torch.zeros(shape))
    with pytest.raises(ValueError, match="latent"):
        cascade.grader(images(2), torch.zeros(3, 32, 8, 8))


# --- patient level ----------------------------------------------------------------------------------------------


def test_frames_are_fused_by_the_mean_of_the_log_probabilities() -> None:
    logits = torch.randn(5, 6, generator=torch.Generator().manual_seed(0))
    fused = fuse_log_softmax(logits)
    assert float(fused.sum()) == pytest.approx(1)
    geometric = logits.softmax(-1).prod(0) ** (1 / 5)
    torch.testing.assert_close(fused, geometric / geometric.sum())
    torch.testing.assert_close(fuse_log_softmax(logits + torch.arange(5.0)[:, None]), fused)
    torch.testing.assert_close(fuse_log_softmax(logits[:1]), logits[0].softmax(-1))
    for bad in (torch.zeros(0, 6), torch.zeros(6)):
        with pytest.raises(ValueError, match="F > 0"):
            fuse_log_softmax(bad)
