import threading, time
from tests.journey.rows import *
from tests.world import *
from tests.world import outcome
from grpc_health.v1 import health_pb2, health_pb2_grpc
import grpc
LIM=dict(SCOREGATE_LIMITS__WORKER_THREADS="4", SCOREGATE_LIMITS__MAX_IN_FLIGHT_PER_PARTNER="2", SCOREGATE_LIMITS__MAX_QUEUE="4")
def test_watch(new_own_world, engine):
    w=new_own_world(**LIM); bad=w.partner("bad"); acme=w.partner("acme"); c=w.consent(acme, mode="CONSENT_MODE_PERIODIC")
    w.revoke(bad.fingerprint)
    ws=[health_pb2_grpc.HealthStub(bad.channel).Watch(health_pb2.HealthCheckRequest()) for _ in range(10)]
    n=0
    for x in ws:
        try: next(x); n+=1
        except grpc.RpcError as e: print("watch refused", e.code(), e.details())
    print("watches", n)
    r=outcome(acme.scores.GetScore, acme.query(c), timeout=3); print("W", type(r), getattr(r,"status",None), getattr(r,"message",None))
    for x in ws: x.cancel()
def test_loris(new_own_world, engine):
    w=new_own_world(**LIM); bad=w.partner("bad"); acme=w.partner("acme"); c=w.consent(acme, mode="CONSENT_MODE_PERIODIC")
    w.revoke(bad.fingerprint)
    stop=threading.Event()
    def never():
        stop.wait(30)
        return
        yield b""
    calls=[bad.channel.stream_unary("/scoregate.partner.v1.ScoreService/GetScore").future(never()) for _ in range(4)]
    time.sleep(0.5)
    r=outcome(acme.scores.GetScore, acme.query(c), timeout=3); print("L", type(r), getattr(r,"status",None), getattr(r,"message",None))
    stop.set()
    for x in calls: x.cancel()
    time.sleep(0.3)
    r=outcome(acme.scores.GetScore, acme.query(c), timeout=3); print("L2", type(r), getattr(r,"status",None), getattr(r,"message",None))
import pytest
@pytest.mark.parametrize("n", range(25))
def test_both(new_own_world, engine, n):
    test_watch(new_own_world, engine)
