"""Trained networks for other tools: ONNX files and bioimage.io packages."""
