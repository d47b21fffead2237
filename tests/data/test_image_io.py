"""Pixels as people see them, and a check that decodes as training does."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from sources import encoded, put

from datapare.data import encode, images, open_dataset
from datapare.data.image_io import RANGE_SAMPLE, Decoding, decode, sampled_decoding, validate_images
from datapare.errors import InputError

RNG = np.random.default_rng(0)


def saved(image, ending="png", **options):
    out = io.BytesIO()
    image.save(out, ending, **options)
    return out.getvalue()


def deep_png(values):
    """A PNG of 16 bits per channel, grey (H, W), RGB or RGBA; Pillow writes only grey ones."""
    height, width = values.shape[:2]
    colour = {2: 0, 3: {3: 2, 4: 6}.get(values.shape[-1], 0)}[values.ndim]
    raw = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")


def deep_tiff(values, order, compression=1):
    """An uncompressed TIFF of 16 bits per channel, RGB, in either byte order."""
    height, width, _ = values.shape
    data = values.astype(f"{order}u2").tobytes()
    entries = [(256, 3, 1, width), (257, 3, 1, height), (258, 3, 3, 8), (259, 3, 1, compression), (262, 3, 1, 2)]
    entries += [(273, 4, 1, 14), (277, 3, 1, 3), (278, 3, 1, height), (279, 4, 1, len(data))]
    ifd = struct.pack(order + "H", len(entries))
    for tag, kind, count, value in entries:
        short = kind == 3 and count == 1
        ifd += struct.pack(order + "HHI", tag, kind, count) + struct.pack(
            order + ("HH" if short else "I"), *((value, 0) if short else (value,))
        )
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 14 + len(data))
    return head + struct.pack(order + "HHH", 16, 16, 16) + data + ifd + b"\0\0\0\0"


def folder(at, contents, ending="png"):
    for i, content in enumerate(contents):
        put(at / "d" / "ab"[i % 2] / f"{i}.{ending}", content)
    return at / "d"


# --- transparency -----------------------------------------------------------------------------------------------------
def transparent_images():
    """Black squares on a transparent black ground, in every form that PNG, WebP and GIF have for it."""
    shape = np.zeros((10, 10), np.uint8)
    shape[2:8, 3:7] = 255
    rgba = Image.fromarray(np.dstack([np.zeros((10, 10, 3), np.uint8), shape]))
    grey = Image.merge("LA", [Image.new("L", (10, 10)), Image.fromarray(shape)])
    palette = Image.fromarray((shape > 0).astype(np.uint8)).convert("P")
    palette.putpalette([0, 0, 0] * 2)
    keyed = Image.fromarray(np.where(shape > 0, 0, 7).astype(np.uint8))
    return {
        "rgba": saved(rgba), "la": saved(grey), "webp": saved(rgba, "webp", lossless=True),
        "palette": saved(palette, transparency=b"\0\xff"), "colour key": saved(keyed, transparency=7),
        "gif": saved(palette, "gif", transparency=0),
        "deep": deep_png(np.dstack([np.zeros((10, 10, 3), int), shape * 257.0])),
    }  # fmt: skip


@pytest.mark.parametrize("form", transparent_images())
def test_what_is_transparent_shows_a_white_ground(form):
    seen = np.asarray(decode(transparent_images()[form]).convert("L"))
    expected = np.full((10, 10), 255)
    expected[2:8, 3:7] = 0
    np.testing.assert_array_equal(seen, expected)


def test_half_transparent_is_half_way_to_white():
    image = Image.new("RGBA", (2, 2), (100, 0, 200, 128))
    np.testing.assert_allclose(np.asarray(decode(saved(image)))[0, 0], [177, 127, 227], atol=1)


def test_arrays_with_alpha_are_laid_on_white_too():
    x = np.zeros((4, 6, 6, 4), np.uint8)
    x[:, 2:4, 2:4, 3] = 255
    data = open_dataset((x, [0, 1, 0, 1]))
    assert np.unique(data.array).tolist() == [0, 255]
    assert data.array[0, 0, 0].tolist() == [255, 255, 255]
    many = RNG.integers(0, 256, (2500, 2, 1, 4), dtype=np.uint8)
    alpha = many[..., 3:] / np.float32(255)
    wanted = np.rint(many[..., :3] * alpha + 255 * (1 - alpha))
    np.testing.assert_array_equal(open_dataset((many, np.arange(2500) % 2)).array, wanted)


# --- more than 8 bits -------------------------------------------------------------------------------------------------
def test_deep_images_share_one_scale(tmp_path):
    grey = [RNG.integers(0, 2500, (8, 8)) for _ in range(4)]
    data = open_dataset(folder(tmp_path, [deep_png(one) for one in grey]))
    assert data.decoding.value_range == (0, 4095)
    order = [data.name.index(f"{'ab'[i % 2]}/{i}.png") for i in range(4)]
    for one, i in zip(grey, order, strict=True):
        np.testing.assert_array_equal(data.array[i, ..., 0], np.rint(one * 255 / 4095))


@pytest.mark.parametrize(
    ("form", "make"),
    [
        ("png rgb", deep_png), ("tiff little", lambda v: deep_tiff(v, "<")), ("tiff big", lambda v: deep_tiff(v, ">")),
    ],
)  # fmt: skip
def test_colours_of_16_bits_keep_their_low_bytes(form, make, tmp_path):
    values = [RNG.integers(0, 1000, (7, 9, 3)) for _ in range(4)]
    ending = "png" if form.startswith("png") else "tif"
    data = open_dataset(folder(tmp_path, [make(one) for one in values], ending))
    assert data.decoding.value_range == (0, 1023)
    np.testing.assert_array_equal(data.array[0], np.rint(values[0] * 255 / 1023))


@pytest.mark.parametrize("mode", ["I", "F", "I;16"])
def test_tiffs_of_numbers_share_one_scale(mode, tmp_path):
    low, high = (-1000, 3000) if mode == "I" else (0, 1) if mode == "F" else (0, 3000)
    values = [np.linspace(low, high * (i + 1) / 4, 64).reshape(8, 8) for i in range(4)]
    kind = {"I": np.int32, "F": np.float32, "I;16": np.uint16}[mode]
    contents = [saved(Image.fromarray(one.astype(kind)), "tiff") for one in values]
    data = open_dataset(folder(tmp_path, contents, "tif"))
    assert data.decoding.value_range == {"I": (-1024, 4095), "F": (0, 1), "I;16": (0, 4095)}[mode]
    brightest = [data.array[data.name.index(f"{'ab'[i % 2]}/{i}.tif")].max() for i in range(4)]
    assert brightest == sorted(set(brightest)), "a darker file is darker"


def test_held_out_images_are_shown_on_the_scale_of_the_training_images(tmp_path):
    train = open_dataset(folder(tmp_path / "train", [deep_png(np.full((8, 8), 40000 + i)) for i in range(4)]))
    test = open_dataset(folder(tmp_path / "test", [deep_png(np.full((8, 8), 1000)) for i in range(4)]))
    encoding = encode(train).encoding
    assert encoding.value_range == (0, 65535)
    assert encode(test, encoding).array.max() == round(1000 * 255 / 65535)
    assert encode(test).array.max() == round(1000 * 255 / 1023)


def test_trusted_images_get_a_scale_from_a_sample(tmp_path):
    source = folder(tmp_path, [deep_png(np.full((8, 8), 1000 + i)) for i in range(4)])
    data = open_dataset(source, trust_images=True)
    assert data.array is None
    assert data.decoding.value_range == (0, 1023)
    np.testing.assert_array_equal(encode(data).array, open_dataset(source).array)


def test_the_sample_for_a_scale_is_spread_over_all_rows():
    asked = []
    sampled_decoding(lambda rows: asked.append(rows) or [], 1000)
    assert (asked[0][0], asked[0][-1], len(asked[0])) == (0, 999, RANGE_SAMPLE)
    assert set(np.diff(asked[0])) <= {3, 4}
    sampled_decoding(lambda rows: asked.append(rows) or [], 1)
    assert asked[1] == [0]


def test_arrays_of_16_bits_keep_their_steps():
    x = RNG.integers(0, 3000, (4, 16, 16)).astype(np.uint16)
    data = open_dataset((x, [0, 1, 0, 1]))
    np.testing.assert_array_equal(data.array[..., 0], np.rint(x * (255 / 4095)))


# --- the check --------------------------------------------------------------------------------------------------------
def short_png(size):
    """A PNG whose chunks are all right but whose pixels end too early."""
    raw = zlib.compress(b"\0" * 100)
    content = saved(Image.fromarray(RNG.integers(0, 255, (size, size, 3), dtype=np.uint8)))
    start = content.index(b"IDAT")
    (length,) = struct.unpack(">I", content[start - 4 : start])
    chunk = b"IDAT" + raw
    rest = content[start + 8 + length :]
    return content[: start - 4] + struct.pack(">I", len(raw)) + chunk + struct.pack(">I", zlib.crc32(chunk)) + rest


@pytest.mark.parametrize("size", [20, 200])
@pytest.mark.parametrize("damage", ["short data", "cut off", "empty", "text"])
def test_what_training_cannot_decode_is_skipped(size, damage, tmp_path):
    good = [encoded(i, "png", (size, size)) for i in range(5)]
    bad = {"short data": short_png(size), "cut off": good[0][: len(good[0]) // 2], "empty": b"", "text": b"<html>"}[
        damage
    ]
    source = folder(tmp_path, [*good[:4], bad, good[4]])
    with pytest.raises(InputError, match=r"1 of 6 examples cannot be read \(a/4\.png: .*--on-bad-example skip"):
        open_dataset(source)
    data = open_dataset(source, on_bad_example="skip")
    assert [one.name for one in data.bad] == ["a/4.png"]
    assert len(encode(data, image_size=32)) == 5
    assert len(images(data, range(5))) == 5


def test_a_half_jpeg_is_found_though_it_is_decoded_small(tmp_path):
    whole = [encoded(i, "jpg", (300, 400)) for i in range(4)]
    source = folder(tmp_path, [*whole, whole[0][:-2000]], "jpg")
    assert [one.name for one in open_dataset(source, on_bad_example="skip").bad] == ["a/4.jpg"]


def test_the_check_says_how_far_it_is():
    seen = []
    cells = [encoded(i, "png", (8, 8)) for i in range(300)]
    validate_images(lambda: cells, 300, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(0, 300), (256, 300), (300, 300)]


def test_the_limit_of_pixels_is_one_sentence_and_can_be_raised(tmp_path):
    source = folder(tmp_path, [encoded(i, "png", (40, 50)) for i in range(4)])
    with pytest.raises(
        InputError, match=r"it has 50 x 40 pixels, and the limit is 1,000 in all; raise it with --max-pixels"
    ):
        open_dataset(source, max_pixels=1000)
    assert len(open_dataset(source, max_pixels=2000)) == 4


def test_a_bomb_is_refused_before_it_is_decoded(tmp_path):
    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + b"IHDR" + head + struct.pack(">I", zlib.crc32(b"IHDR" + head))
    data = zlib.compress(bytes(10**6))
    idat = struct.pack(">I", len(data)) + b"IDAT" + data + struct.pack(">I", zlib.crc32(b"IDAT" + data))
    bomb = b"\x89PNG\r\n\x1a\n" + chunk + idat + b"\0\0\0\0IEND\xaeB`\x82"
    source = folder(tmp_path, [encoded(i) for i in range(4)] + [bomb])
    with pytest.raises(InputError, match=r"a/4\.png: it has far more pixels, and the limit is 89,478,485 in all"):
        open_dataset(source)
    assert len(open_dataset(source, on_bad_example="skip")) == 4


def test_a_program_that_is_called_png_is_not_run(tmp_path):
    marker = tmp_path / "ran"
    program = (
        f"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n({marker}) (w) file closefile\nshowpage\n%%EOF\n".encode()
    )
    source = folder(tmp_path, [encoded(i) for i in range(4)] + [program])
    data = open_dataset(source, on_bad_example="skip")
    assert [(one.name, one.reason) for one in data.bad] == [("a/4.png", "it is no image that can be read")]
    assert not marker.exists()


def test_a_decoding_without_a_dataset_uses_the_whole_range_of_16_bits():
    assert np.asarray(decode(deep_png(np.full((2, 2), 65535)))).max() == 255
    assert np.asarray(decode(deep_png(np.full((2, 2), 511)), Decoding(value_range=(0, 511)))).max() == 255
