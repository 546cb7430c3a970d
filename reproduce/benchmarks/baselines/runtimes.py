"""Programs that run a network from an ONNX file, as their own documents say it is done."""

from collections.abc import Callable, Sequence

import numpy as np

Network = Callable[[np.ndarray], np.ndarray]
OPENVINO_PRECISION = {"float32": "f32", "bfloat16": "bf16"}


def onnx_runtime(content: bytes) -> Network:
    """On the CPU, in float32."""
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (image,) = session.get_inputs()
    return lambda values: session.run(None, {image.name: values})[0]


def openvino(content: bytes, precision: str, calibration: Sequence[np.ndarray]) -> Network:
    """On the CPU; "int8" is quantised by nncf after training, with the images of `calibration`."""
    import openvino as runtime

    core = runtime.Core()
    model = core.read_model(content)
    if precision == "int8":
        import nncf

        model = nncf.quantize(model, nncf.Dataset(calibration), subset_size=len(calibration))
    settings = {"PERFORMANCE_HINT": "LATENCY"}
    if precision in OPENVINO_PRECISION:
        settings["INFERENCE_PRECISION_HINT"] = OPENVINO_PRECISION[precision]
    compiled = core.compile_model(model, "CPU", settings)
    return lambda values: compiled(values)[0]
