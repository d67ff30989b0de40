from underpaint.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GenerateRequest(_message.Message):
    __slots__ = ("promotion_id", "engine", "request", "init_image_digest", "init_image", "mask_digest", "mask", "control_digest", "control", "control_kind", "reference_digests", "references")
    PROMOTION_ID_FIELD_NUMBER: _ClassVar[int]
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    INIT_IMAGE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    INIT_IMAGE_FIELD_NUMBER: _ClassVar[int]
    MASK_DIGEST_FIELD_NUMBER: _ClassVar[int]
    MASK_FIELD_NUMBER: _ClassVar[int]
    CONTROL_DIGEST_FIELD_NUMBER: _ClassVar[int]
    CONTROL_FIELD_NUMBER: _ClassVar[int]
    CONTROL_KIND_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_DIGESTS_FIELD_NUMBER: _ClassVar[int]
    REFERENCES_FIELD_NUMBER: _ClassVar[int]
    promotion_id: str
    engine: str
    request: _common_pb2.GenerationRequest
    init_image_digest: _common_pb2.Digest
    init_image: bytes
    mask_digest: _common_pb2.Digest
    mask: bytes
    control_digest: _common_pb2.Digest
    control: bytes
    control_kind: str
    reference_digests: _containers.RepeatedCompositeFieldContainer[_common_pb2.Digest]
    references: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, promotion_id: _Optional[str] = ..., engine: _Optional[str] = ..., request: _Optional[_Union[_common_pb2.GenerationRequest, _Mapping]] = ..., init_image_digest: _Optional[_Union[_common_pb2.Digest, _Mapping]] = ..., init_image: _Optional[bytes] = ..., mask_digest: _Optional[_Union[_common_pb2.Digest, _Mapping]] = ..., mask: _Optional[bytes] = ..., control_digest: _Optional[_Union[_common_pb2.Digest, _Mapping]] = ..., control: _Optional[bytes] = ..., control_kind: _Optional[str] = ..., reference_digests: _Optional[_Iterable[_Union[_common_pb2.Digest, _Mapping]]] = ..., references: _Optional[_Iterable[bytes]] = ...) -> None: ...

class Progress(_message.Message):
    __slots__ = ("step", "steps", "preview", "stage")
    STEP_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    PREVIEW_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    step: int
    steps: int
    preview: bytes
    stage: str
    def __init__(self, step: _Optional[int] = ..., steps: _Optional[int] = ..., preview: _Optional[bytes] = ..., stage: _Optional[str] = ...) -> None: ...

class GenerationResult(_message.Message):
    __slots__ = ("digest", "width", "height", "model", "upscaler", "gpu_seconds", "warnings")
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    UPSCALER_FIELD_NUMBER: _ClassVar[int]
    GPU_SECONDS_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    digest: _common_pb2.Digest
    width: int
    height: int
    model: str
    upscaler: str
    gpu_seconds: float
    warnings: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, digest: _Optional[_Union[_common_pb2.Digest, _Mapping]] = ..., width: _Optional[int] = ..., height: _Optional[int] = ..., model: _Optional[str] = ..., upscaler: _Optional[str] = ..., gpu_seconds: _Optional[float] = ..., warnings: _Optional[_Iterable[str]] = ...) -> None: ...

class GenerateResponse(_message.Message):
    __slots__ = ("progress", "result", "chunk")
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    progress: Progress
    result: GenerationResult
    chunk: _common_pb2.Chunk
    def __init__(self, progress: _Optional[_Union[Progress, _Mapping]] = ..., result: _Optional[_Union[GenerationResult, _Mapping]] = ..., chunk: _Optional[_Union[_common_pb2.Chunk, _Mapping]] = ...) -> None: ...

class ListEnginesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class EngineDescription(_message.Message):
    __slots__ = ("name", "model", "num_inference_steps", "guidance_scale", "strength", "family", "width", "height", "takes", "loras")
    NAME_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    NUM_INFERENCE_STEPS_FIELD_NUMBER: _ClassVar[int]
    GUIDANCE_SCALE_FIELD_NUMBER: _ClassVar[int]
    STRENGTH_FIELD_NUMBER: _ClassVar[int]
    FAMILY_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    TAKES_FIELD_NUMBER: _ClassVar[int]
    LORAS_FIELD_NUMBER: _ClassVar[int]
    name: str
    model: str
    num_inference_steps: int
    guidance_scale: float
    strength: float
    family: str
    width: int
    height: int
    takes: _containers.RepeatedScalarFieldContainer[str]
    loras: _containers.RepeatedCompositeFieldContainer[Lora]
    def __init__(self, name: _Optional[str] = ..., model: _Optional[str] = ..., num_inference_steps: _Optional[int] = ..., guidance_scale: _Optional[float] = ..., strength: _Optional[float] = ..., family: _Optional[str] = ..., width: _Optional[int] = ..., height: _Optional[int] = ..., takes: _Optional[_Iterable[str]] = ..., loras: _Optional[_Iterable[_Union[Lora, _Mapping]]] = ...) -> None: ...

class Lora(_message.Message):
    __slots__ = ("name", "digest")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    name: str
    digest: str
    def __init__(self, name: _Optional[str] = ..., digest: _Optional[str] = ...) -> None: ...

class ListEnginesResponse(_message.Message):
    __slots__ = ("engines",)
    ENGINES_FIELD_NUMBER: _ClassVar[int]
    engines: _containers.RepeatedCompositeFieldContainer[EngineDescription]
    def __init__(self, engines: _Optional[_Iterable[_Union[EngineDescription, _Mapping]]] = ...) -> None: ...
