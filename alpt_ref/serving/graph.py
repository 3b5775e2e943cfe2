"""Building an ONNX graph a node at a time: names are made here, types and shapes are checked by onnx."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

OPSET = 18
"""The first with bit operations; runtimes since 2023 have it."""
IR_VERSION = 8
"""Of the file format; goes with the opset."""


class Graph:
    """Nodes, constants, inputs, outputs."""

    def __init__(self, name: str, about: Mapping[str, str]) -> None:
        """An empty graph; `about` goes into the file's metadata."""
        import onnx

        self._onnx: Any = onnx
        self._name, self._about = name, dict(about)
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []

    def _type(self, dtype: DTypeLike) -> int:
        return int(self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def input(self, name: str, dtype: DTypeLike, shape: Sequence[int | str]) -> str:
        """Declare the input."""
        self._inputs.append(self._onnx.helper.make_tensor_value_info(name, self._type(dtype), list(shape)))
        return name

    def output(self, name: str, value: str, shape: Sequence[int | str]) -> None:
        """Declare `value`, float32, as an output `name`."""
        self._nodes.append(self._onnx.helper.make_node("Identity", [value], [name]))
        self._outputs.append(self._onnx.helper.make_tensor_value_info(name, self._type(np.float32), list(shape)))

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add a node with one output; its name."""
        output = f"{operator.lower()}_{len(self._nodes)}"
        self._nodes.append(self._onnx.helper.make_node(operator, list(inputs), [output], **attributes))
        return output

    def cast(self, value: str, dtype: DTypeLike) -> str:
        """Add a Cast."""
        return self.add("Cast", value, to=self._type(dtype))

    def constant(self, value: Any) -> str:
        """Add a constant: an array as it is, a list of whole numbers as int64."""
        array = np.asarray(value, np.int64) if isinstance(value, list) else np.ascontiguousarray(value)
        name = f"constant_{len(self._constants)}"
        if not isinstance(value, list) and np.ndim(value) == 0:
            array = array.reshape(())
        self._constants.append(self._onnx.numpy_helper.from_array(array, name))
        return name

    def external(self, name: str, dtype: DTypeLike, shape: Sequence[int], file: str, offset: int, length: int) -> str:
        """Add a constant whose bytes lie in another file of the same folder."""
        tensor = self._onnx.TensorProto(name=name, data_type=self._type(dtype), dims=list(shape))
        tensor.data_location = self._onnx.TensorProto.EXTERNAL
        for key, value in (("location", file), ("offset", offset), ("length", length)):
            entry = tensor.external_data.add()
            entry.key, entry.value = key, str(value)
        self._constants.append(tensor)
        return name

    def finish(self) -> bytes:
        """The file."""
        helper = self._onnx.helper
        graph = helper.make_graph(self._nodes, self._name, self._inputs, self._outputs, self._constants)
        opset = helper.make_opsetid("", OPSET)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION, producer_name="alpt_ref")
        helper.set_model_props(model, self._about)
        return bytes(model.SerializeToString())
