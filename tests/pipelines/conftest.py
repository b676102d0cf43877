"""What tests that build with the real program share: workers, and stores."""

import dask
import pytest
from distributed import LocalCluster

from cubestore_pipelines import cluster
from cubestore_pipelines.cli import main
from cubestore_pipelines.simulate.archive import make_archive, tiny_everything_plan
from tests.pipelines.real import Store


@pytest.fixture
def program(capsys):
    """Run the program in this process; return what it printed on its two outputs."""

    def run(*arguments, check=0):
        status = main([str(argument) for argument in arguments])
        done = capsys.readouterr()
        assert status == check, done.err
        return done

    return run


@pytest.fixture(scope="session")
def everything(made_once):
    """An archive with something of every sensor."""
    return made_once("everything", lambda folder: make_archive(folder, tiny_everything_plan()))


@pytest.fixture(scope="session")
def scheduler():
    """Two workers that all builds share which need no server."""
    some_port = {"dashboard_address": "127.0.0.1:0"}
    with (
        dask.config.set(cluster.CONFIG),
        LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, scheduler_kwargs=some_port
        ) as workers,
    ):
        yield workers.scheduler_address


@pytest.fixture(scope="module")
def workers(server):
    """Two workers of a module that serves an archive; they know where its tokens come from."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment.items():
            patch.setenv(name, value)
        with cluster.client(None, 2) as client:
            yield client.scheduler_info()["address"]


@pytest.fixture(scope="session")
def new_store(scheduler, tmp_path_factory):
    """Return stores, each in a folder of its own."""
    return lambda: Store(tmp_path_factory.mktemp("store") / "store", scheduler)
