"""Writers of image files made from their specifications alone, so that no library reads what it wrote itself."""

import struct
import zlib

import numpy as np


def pack_bits(rows, bits):
    """Samples (H,N) as rows of bytes, the first sample in the highest bits; of 16 bits big-endian."""
    if bits in (8, 16, 32, 64):
        return [row.astype(f">u{bits // 8}").tobytes() for row in rows]
    unpacked = ((rows[:, :, None] >> np.arange(bits - 1, -1, -1)) & 1).astype(np.uint8)
    return [np.packbits(row.ravel()).tobytes() for row in unpacked]


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _filtered(lines, step, kinds):
    """PNG's filters none, sub and up, as many bytes a pixel as ``step``."""
    out, above = b"", None
    for line, kind in zip(lines, kinds, strict=True):
        row = np.frombuffer(line, np.uint8)
        if kind == 1:
            before = np.concatenate([np.zeros(min(step, len(row)), np.uint8), row[:-step]])
        else:
            before = np.zeros_like(row) if kind == 0 or above is None else above
        out += bytes([kind]) + (row - before).tobytes()
        above = row
    return out


ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))


def png(samples, bits, colours, extra=b"", interlaced=False, after=b""):
    """A PNG of samples (H,W,S); ``extra`` are chunks before the pixels, ``after`` those behind them."""
    height, width, count = samples.shape
    step = max(count * bits // 8, 1)
    passes = [samples[y::dy, x::dx] for y, x, dy, dx in ADAM7] if interlaced else [samples]
    content = b""
    for part in passes:
        if part.size:
            lines = pack_bits(part.reshape(part.shape[0], -1), bits)
            content += _filtered(lines, step, [index % 3 for index in range(len(lines))])
    header = struct.pack(">IIBBBBB", width, height, bits, colours, 0, 0, int(interlaced))
    parts = chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(content)) + after + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def exif(orientation, order="<"):
    """An EXIF block (a TIFF of one tag) that tells an orientation."""
    mark = b"II*\0" if order == "<" else b"MM\0*"
    return mark + struct.pack(order + "IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)


def gif(index, palette, size=None, corner=(0, 0), key=None, frames=1):
    """A GIF of indices (H,W) and its palette (N,3); every code has one width, so nothing is compressed."""
    depth = max(int(np.ceil(np.log2(len(palette)))), 1)
    table = palette.astype(np.uint8).tobytes().ljust(3 << depth, b"\0")
    height, width = index.shape
    screen = size or (height, width)
    out = b"GIF89a" + struct.pack("<HHBBB", screen[1], screen[0], 0x80 | (depth - 1), 0, 0) + table
    smallest = max(depth, 2)
    clear = 1 << smallest
    codes = []
    for place, value in enumerate(index.ravel().tolist()):
        if place % (clear - 2) == 0:
            codes.append(clear)
        codes.append(value)
    codes.append(clear + 1)
    bits = "".join(format(code, f"0{smallest + 1}b")[::-1] for code in codes)
    bits = bits.ljust(-(-len(bits) // 8) * 8, "0")
    packed = bytes(int(bits[at : at + 8][::-1], 2) for at in range(0, len(bits), 8))
    blocks = b"".join(bytes([len(packed[at : at + 255])]) + packed[at : at + 255] for at in range(0, len(packed), 255))
    control = b"" if key is None else b"!\xf9\x04" + struct.pack("<BHBB", 1, 0, key, 0)
    frame = b"," + struct.pack("<HHHHB", corner[1], corner[0], width, height, 0) + bytes([smallest]) + blocks + b"\0"
    return out + (control + frame) * frames + b";"


def bmp(samples, bits, palette=None, top_down=False, masks=None, rle=False):
    """A BMP: indices (H,W) of 1, 4 or 8 bits with a palette (N,3), or RGB (H,W,3) of 16, 24 or 32."""
    height, width = samples.shape[:2]
    rows = samples if top_down else samples[::-1]
    if rle:
        # Runs of one pixel: of 4 bits the value is in the first half of a byte.
        runs = (b"".join(bytes([1, value << 8 - bits]) for value in row.tolist()) for row in rows)
        body = b"".join(run + b"\0\0" for run in runs) + b"\0\1"
    else:
        lines = []
        for row in rows:
            if bits <= 8:
                line = pack_bits(row[None], bits)[0]
            elif bits == 16:
                five = (row.astype(np.uint16) >> [3, 2 if masks else 3, 3]) << [11, 5, 0] if masks else 0
                plain = (row.astype(np.uint16) >> 3) << [10, 5, 0]
                line = (five if masks else plain).sum(axis=1).astype("<u2").tobytes()
            else:
                line = row[:, ::-1].astype(np.uint8)
                line = (line if bits == 24 else np.pad(line, ((0, 0), (0, 1)))).tobytes()
            lines.append(line.ljust(-(-len(line) // 4) * 4, b"\0"))
        body = b"".join(lines)
    table = b"" if palette is None else np.pad(palette[:, ::-1], ((0, 0), (0, 1))).astype(np.uint8).tobytes()
    fields = b"" if masks is None else struct.pack("<III", *masks)
    compression = {4: 2, 8: 1}[bits] if rle else 3 if masks else 0
    start = 14 + 40 + len(fields) + len(table)
    tall = -height if top_down else height
    count = 0 if palette is None else len(palette)
    header = struct.pack("<IiiHHIIiiII", 40, width, tall, 1, bits, compression, len(body), 2835, 2835, count, 0)
    return b"BM" + struct.pack("<IHHI", start + len(body), 0, 0, start) + header + fields + table + body


def tiff(samples, bits, photometric, *, order="<", kind="u", planar=False, rows=None, tile=None, extra=(), palette=None,
         compression=1, orientation=None, pages=1, reduced=False):  # fmt: skip
    """A TIFF of samples (H,W,S), in strips of ``rows`` or tiles (h,w), little- or big-endian.

    ``extra`` are ExtraSamples; ``palette`` a ColorMap (N,3) of 16 bits; ``compression`` 1 none, 8 Deflate, 32773 PackBits
    (as literal runs alone).
    """
    height, width, count = samples.shape
    planes = [samples[..., index : index + 1] for index in range(count)] if planar else [samples]
    parts = []
    for plane in planes:
        if tile:
            padded = np.pad(plane, ((0, -height % tile[0]), (0, -width % tile[1]), (0, 0)))
            parts += [
                padded[y : y + tile[0], x : x + tile[1]]
                for y in range(0, padded.shape[0], tile[0])
                for x in range(0, padded.shape[1], tile[1])
            ]
        else:
            parts += [plane[y : y + (rows or height)] for y in range(0, height, rows or height)]

    def encoded(part):
        if bits < 8 or bits not in (8, 16, 32, 64):
            content = b"".join(pack_bits(part.reshape(part.shape[0], -1), bits))
        else:
            content = part.astype(f"{order}{kind}{bits // 8}").tobytes()
        if compression == 8:
            return zlib.compress(content)
        if compression == 32773:
            return b"".join(bytes([len(content[at : at + 128]) - 1]) + content[at : at + 128] for at in range(0, len(content), 128))  # fmt: skip
        return content

    blocks = [encoded(part) for part in parts]
    tags = {
        256: (4, [width]),
        257: (4, [height]),
        258: (3, [bits] * count),
        259: (3, [compression]),
        262: (3, [photometric]),
        277: (3, [count]),
        284: (3, [2 if planar else 1]),
        339: (3, [{"u": 1, "i": 2, "f": 3}[kind]] * count),
    }
    if tile:
        tags |= {322: (4, [tile[1]]), 323: (4, [tile[0]]), 324: (4, None), 325: (4, [len(block) for block in blocks])}
    else:
        tags |= {273: (4, None), 278: (4, [rows or height]), 279: (4, [len(block) for block in blocks])}
    if extra:
        tags[338] = (3, list(extra))
    if palette is not None:
        tags[320] = (3, palette.T.ravel().tolist())
    if orientation is not None:
        tags[274] = (3, [orientation])
    out = bytearray((b"II*\0" if order == "<" else b"MM\0*") + b"\0\0\0\0")
    link = 4
    for page in range(pages):
        offsets = []
        for block in blocks:
            offsets.append(len(out))
            out += block + b"\0" * (len(block) % 2)
        tags[324 if tile else 273] = (4, offsets)
        if reduced and page:
            tags[254] = (4, [1])
        entries, spill = [], []
        start = len(out)
        behind = start + 2 + 12 * len(tags) + 4
        for tag, (form, values) in sorted(tags.items()):
            content = b"".join(struct.pack(order + {3: "H", 4: "I"}[form], value) for value in values)
            if len(content) > 4:
                place = struct.pack(order + "I", behind + sum(map(len, spill)))
                spill.append(content + b"\0" * (len(content) % 2))
                content = place
            entries.append(struct.pack(order + "HHI", tag, form, len(values)) + content.ljust(4, b"\0"))
        out[link : link + 4] = struct.pack(order + "I", start)
        out += struct.pack(order + "H", len(tags)) + b"".join(entries)
        link = len(out)
        out += b"\0\0\0\0" + b"".join(spill)
    return bytes(out)


_CODES = {"u1": 2, "i2": 4, "i4": 8, "f4": 16, "f8": 64, "i1": 256, "u2": 512, "u4": 768, "i8": 1024, "u8": 1280}


def nifti(voxels, *, order="<", spacing=(1.5, 1.5, 8.0), units=2, slope=0.0, inter=0.0, sform=None, qform=None,
          codes=None, dim=None, version=1, pair=False, quaternion=(0.0, 0.0, 0.0), qfac=1.0, body=None):  # fmt: skip
    """A NIfTI file of voxels (X,Y,Z,...), or the header and the voxels of a pair.

    ``sform`` are rows (3,4), ``codes`` those of sform and qform, ``qform`` the offset of the qform; ``dim`` replaces what
    is told of the shape.
    """
    name = f"{voxels.dtype.kind}{voxels.dtype.itemsize}"
    shape = voxels.shape if dim is None else dim
    lengths = [len(shape), *shape, *[1] * (7 - len(shape))]
    sizes = [qfac, *spacing, *[1.0] * (7 - len(spacing))]
    rows = np.zeros((3, 4)) if sform is None else np.asarray(sform, float)
    offset = np.zeros(3) if qform is None else qform
    sform_code, qform_code = codes or (int(sform is not None), int(qform is not None))
    start = 0 if pair else (352 if version == 1 else 544)
    numbers = (_CODES[name], voxels.itemsize * 8)
    forms = (qform_code, sform_code, *quaternion, *offset, *rows.ravel())
    if version == 1:
        head = struct.pack(order + "i36x8h14x2h2x8f3f", 348, *lengths, *numbers, *sizes, start, slope, inter)
        head += struct.pack(order + "3xB24x104x2h6f12f16x4s", units, *forms, b"ni1\0" if pair else b"n+1\0")
    else:
        magic = (b"ni2\0" if pair else b"n+2\0") + b"\r\n\x1a\n"
        head = struct.pack(order + "i8s2h8q24x8dq2d", 540, magic, *numbers, *lengths, *sizes, start, slope, inter)
        head += struct.pack(order + "48x104x2i6d12d4xi4x32x", *forms, units)
    assert len(head) == (348 if version == 1 else 540)
    head += b"" if pair else b"\0" * 4
    content = voxels.astype(voxels.dtype.newbyteorder(order)).tobytes(order="F") if body is None else body
    return (head, content) if pair else head + content
