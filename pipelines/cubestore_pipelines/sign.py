"""An address as an item tells it -> one that the server accepts. Called inside the task, each time.

A signed address lives in the process that asks for it and nowhere else.
"""

import time
from collections.abc import Callable
from functools import cache
from urllib.parse import urlsplit

from cubestore_pipelines.deadline import within
from cubestore_pipelines.errors import AssetError
from cubestore_pipelines.providers import Bucket, Provider, providers

AWS = "https://{bucket}.s3.amazonaws.com/{key}"
AWS_REGION = "https://{bucket}.s3.{region}.amazonaws.com/{key}"
GOOGLE = "https://storage.googleapis.com/{bucket}/{key}"
"""Addresses of objects in public buckets."""

REGION = "us-west-2"
"""Where requests are signed for, if nothing is told: most open data lies there."""

MINUTES = 15

PATIENCE = 15.0
"""Seconds that a token service has: the SDK itself sets no limit, and tries ten times."""

_SILENT: dict[str, float] = {}
"""Storage whose token service did not answer, and until when it is not asked again."""


def signer(provider: Provider | None) -> Callable[[str], str]:
    """Return what makes the addresses of a provider's items acceptable to its servers."""
    if provider is not None and provider.sign == "planetary-computer":
        return _planetary_computer
    return lambda url: _object(url, provider) if url.startswith(("s3://", "gs://")) else url


def by_name(name: str, profile: Provider | None = None) -> Callable[[str], str]:
    """Return the signer of a provider's name; a profile's own goes first."""
    return signer(profile if profile and profile.id == name else providers().get(name))


def _planetary_computer(url: str) -> str:
    import planetary_computer  # noqa: PLC0415 - reads settings when imported

    host = urlsplit(url).netloc
    try:
        if _SILENT.get(host, 0.0) > time.monotonic():
            raise TimeoutError("the token service did not answer a moment ago")  # noqa: TRY301
        return str(within(PATIENCE, lambda: planetary_computer.sign_url(url)))
    except Exception as error:  # noqa: BLE001 - the SDK's, requests', pydantic's and urllib3's
        if isinstance(error, TimeoutError):
            _SILENT[host] = time.monotonic() + PATIENCE
        raise AssetError(
            f"{url} cannot be signed: {type(error).__name__}: {str(error)[:200]}",
            expected="a token of the Planetary Computer",
            remedy="run the build again later; PC_SDK_SUBSCRIPTION_KEY raises the limits",
        ) from None


def _object(url: str, provider: Provider | None) -> str:
    """Return the https address of an object in S3 or Google Cloud Storage."""
    parts = urlsplit(url)
    bucket, key = parts.netloc, parts.path.lstrip("/")
    how = provider.buckets.get(bucket, provider.s3) if provider else Bucket()
    if parts.scheme == "gs":
        return GOOGLE.format(bucket=bucket, key=key)
    if how.signed or how.requester_pays:
        return _presigned(bucket, key, how)
    if how.endpoint:
        return f"{how.endpoint.rstrip('/')}/{bucket}/{key}"
    pattern = AWS_REGION if how.region else AWS
    return pattern.format(bucket=bucket, key=key, region=how.region)


def _presigned(bucket: str, key: str, how: Bucket) -> str:
    """Sign with the keys of the environment, as boto3 finds them."""
    try:
        return str(
            _client(how).generate_presigned_url(
                "get_object",
                Params={"Bucket": bucket, "Key": key}
                | ({"RequestPayer": "requester"} if how.requester_pays else {}),
                ExpiresIn=MINUTES * 60,
            )
        )
    except Exception as error:  # noqa: BLE001 - botocore makes its errors at run time
        raise AssetError(
            f"s3://{bucket}/{key} cannot be signed: {type(error).__name__}: {str(error)[:200]}",
            expected="keys of an account that may read it",
            remedy="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        ) from None


@cache
def _client(how: Bucket):  # type: ignore[no-untyped-def]  # noqa: ANN202 - boto3 makes its classes at run time
    import boto3  # noqa: PLC0415 - for those who read what is signed
    from botocore.config import Config  # noqa: PLC0415 - the same

    return boto3.client(
        "s3",
        region_name=how.region or REGION,
        endpoint_url=how.endpoint or None,
        config=Config(signature_version="s3v4"),
    )
