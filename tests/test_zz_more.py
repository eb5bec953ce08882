import sys; sys.path.insert(0,'/work/wt/robust/tests')
import os, pytest
from test_fuzz_verbs import fuzz, TARGETS, _elsewhere
N=int(os.environ.get('N','200')); SEED=int(os.environ.get('SEED','5'))
@pytest.mark.parametrize("target", TARGETS)
def test_more(tmp_path, target, capfd):
    print(target.__name__, fuzz(target, tmp_path, N, SEED, capfd))
