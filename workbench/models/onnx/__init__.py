"""ONNX graphs: exported once, run by ONNX Runtime."""
