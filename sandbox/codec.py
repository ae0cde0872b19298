"""Data between processes that do not trust each other: a JSON skeleton with binary blobs behind it.

What crosses: None, bool, int, float (every bit pattern), complex, str, bytes, list, tuple, dict,
Fraction, and numpy arrays of plain dtypes. Types are exact: what decodes is never a subclass.

Covered: a length, count or shape that claims more than the bytes hold; deep nesting; too many
nodes; digits without end; duplicate, unhashable and colliding keys (which make a dict quadratic);
bytes that are no utf-8; lone surrogates; booleans other than 0 and 1; trailing bytes. Memory stays
under twenty times `CodecLimits.total_bytes`, time within a fraction of a second per MiB of it.

Not covered: what the receiver does with a value. A decoded integer may have more digits than
`str` accepts (4300), a float may be NaN.
"""

from sandbox.decoding import decode
from sandbox.encoding import encode, encode_parts
from sandbox.wire import CodecError, CodecLimits

__all__ = ["CodecError", "CodecLimits", "decode", "encode", "encode_parts"]
