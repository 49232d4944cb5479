--------------------------- MODULE TraceResponder ---------------------------
(***************************************************************************)
(* Is a run of the real responder a behaviour of Responder.tla? The        *)
(* records of TraceData are its steps, several runs one behind the other.  *)
(* Each has to be the action of its name, with its arguments, and to lead  *)
(* to the stages and effects that the code reported.                       *)
(*                                                                         *)
(* The runs are accepted if, and only if, NotAccepted is violated.         *)
(***************************************************************************)
EXTENDS Responder, TraceData

VARIABLES l,           \* the number of the next record
          generation,  \* of every slot: how many tunnels lived there before
          tenant,      \* of every slot: the tenant that was claimed there last
          caller,      \* of every request that waits: the caller who sent it
          begun        \* the machine before its first step

traceVars == <<m, l, generation, tenant, caller, begun>>

\* What the code calls a tunnel.
Id(t) == <<t, generation[t]>>

\* Whether the record is about no tunnel, or about one that lives.
Fresh(e) == "tunnel" \in DOMAIN e => e.tunnel = Id(e.tunnel[1])

Timers == {"HandshakeTimeout", "Linger", "Settle", "Ping", "EchoTimeout", "Silence", "Retire", "Grace", "Serve",
           "WaitTimeout", "Drain"}

(***************************************************************************)
(* Where tenants are not kept apart, all names are those of one tenant.    *)
(***************************************************************************)
Names(name) == IF Isolation THEN name ELSE ""

PeerOf(e) == [tenant |-> Names(e.tenant), node |-> e.node, cluster |-> e.cluster, instance |-> e.instance]

HasTenant(e) == "tenant" \in DOMAIN e
TargetOf(e) ==
  LET of == IF HasTenant(e) THEN Names(e.tenant) ELSE ""
  IN CASE e.name = "Node"    -> <<"node", of, e.node, "">>
       [] e.name = "Member"  -> <<"member", of, e.node, e.cluster>>
       [] e.name = "Cluster" -> <<"cluster", of, "", e.cluster>>

\* Who sends the next request for a place is all the same, as long as it is somebody without one.
CallerOf(e) == CHOOSE c \in Callers : m.at[c] = "away" /\ Target(c) = TargetOf(e)

\* The tunnels that an operator's order is about.
Meant(e) ==
  LET ours(t) == HasTenant(e) => tenant[t] = e.tenant
  IN CASE e.scope = "Tenant" -> {t \in Members(m) : ours(t)}
       \* Why one tunnel is drained is all the same: what proved its identity may have ended.
       [] e.scope \in {"Tunnel", "Expired", "Revoked"} -> {t \in Members(m) : Id(t) = e.tunnel}
       [] e.scope = "Target" -> {t \in Members(m) : /\ ours(t)
                                                    /\ e.name # "Cluster" => m.peer[t].node = e.node
                                                    /\ e.name # "Node" => m.peer[t].cluster = e.cluster}

\* There is room for one more connection: a limit that the specification leaves to the number of its slots. Where
\* connections come from and how fast is left out of it: one may be turned away for that at any time.
HandshakeFits == Cardinality({t \in Tunnels : m.stage[t] \in {"handshaking", "rejected"}}) < MaxHandshakes

TurnedAway(e) ==
  /\ e.a = "Accepted" /\ m.drain = "no" /\ HandshakeFits
  /\ e.effects \in {<<[a |-> "RefuseConnection", rejection |-> rejection]>> :
                     rejection \in {"too-many-handshakes-from-source", "rate-limited"}}
  /\ UNCHANGED m

\* The limits for clusters and for all tunnels are those for a node once more, and left out of the specification.
OfCluster(peer)  == {t \in Members(m) : ClusterTarget(m.peer[t]) = ClusterTarget(peer)}
AllFull          == Cardinality(Members(m)) >= MaxTunnels
TenantFull(peer) == Cardinality(OfTenant(m, peer.tenant)) >= MaxPerTenant
Crowded(peer)    == AllFull \/ Cardinality(OfCluster(peer)) >= MaxPerCluster

\* So are those for the requests of a tenant, and for those of them that wait.
Asking(e)    == {c \in Callers : c.tenant = (IF HasTenant(e) THEN Names(e.tenant) ELSE "")}
Saturated(e) == Cardinality({c \in Asking(e) : m.at[c] # "away"}) >= MaxStreamsPerTenant
QueueFull(e) == Cardinality({c \in Asking(e) : m.at[c] = "waiting"}) >= MaxWaitingPerTenant

OpenedInACrowd(e) ==
  LET target   == TargetOf(e)
      has_room == {t \in Candidates(m, target) : WaitingFor(m, t) = <<>>}
      may_wait == Queue(m, target) # <<>> \/ has_room # Candidates(m, target) \/ Candidates(m, target) = {}
  IN CASE Saturated(e)                                -> m.drain = "no" /\ UNCHANGED m
       [] QueueFull(e) /\ ~Ambiguous(m, target) ->
            \/ m.drain = "no" /\ may_wait /\ UNCHANGED m
            \/ Opened(CallerOf(e)) /\ m'.at[CallerOf(e)] \in Tunnels
       [] OTHER                                       -> Opened(CallerOf(e))

HandshakeReceivedInACrowd(t, peer) ==
  /\ m.stage[t] = "handshaking"
  /\ \/ m' = [m EXCEPT !.stage[t] = "rejected"]
     \/ \E u \in OfNode(m, NodeTarget(peer)) : m.stage[u] = "awaiting" /\ m' = Register(Close(m, u), t, peer)

\* The action that the record names.
Action(e) ==
  CASE e.a = "Accepted"          -> HandshakeFits /\ \E t \in Tunnels : Accepted(t)
    [] e.a = "HandshakeReceived" -> IF e.verdict = "Authenticated" /\ m.drain = "no" /\ Crowded(PeerOf(e))
                                   THEN HandshakeReceivedInACrowd(e.tunnel[1], PeerOf(e))
                                   ELSE HandshakeReceived(e.tunnel[1], PeerOf(e), e.verdict = "Authenticated")
    [] e.a = "HandshakeInvalid"  -> HandshakeInvalid(e.tunnel[1])
    [] e.a = "Echoed"            -> Echoed(e.tunnel[1])
    [] e.a = "Heard"             -> Heard(e.tunnel[1])
    [] e.a = "Closed"            -> Closed(e.tunnel[1])
    [] e.a = "Opened"            -> (HasTenant(e) \/ ~Isolation) /\ OpenedInACrowd(e)
    \* Which of the requests on a tunnel is over is all the same to the machine.
    [] e.a = "Released"          -> /\ Released(e.tunnel[1])
                                    /\ m'.at[CHOOSE c \in Carried(m, e.tunnel[1]) : TRUE] = "away"
    [] e.a = "Cancelled"         -> e.stream \in DOMAIN caller /\ Cancelled(caller[e.stream])
    [] e.a = "GoawayReceived"    -> GoawayReceived(e.tunnel[1])
    [] e.a = "ConnectionLost"    -> ConnectionLost(e.tunnel[1])
    [] e.a = "SettingsReceived"  -> /\ SettingsReceived(e.tunnel[1])
                                    /\ m'.limit[e.tunnel[1]] = IF e.max_concurrent_streams < MaxStreams
                                                               THEN e.max_concurrent_streams ELSE MaxStreams
    [] e.a = "DrainRequested"    -> IF e.scope = "All"
                                  THEN DrainRequested /\ m'.drain # m.drain
                                  ELSE m' = StartDraining(m, Meant(e))
    [] e.a = "HandshakeTimeout"  -> HandshakeTimeout(e.tunnel[1])
    [] e.a = "Linger"            -> Linger(e.tunnel[1])
    [] e.a = "Settle"            -> Settle(e.tunnel[1])
    [] e.a = "Ping"              -> Ping(e.tunnel[1])
    [] e.a = "EchoTimeout"       -> EchoTimeout(e.tunnel[1])
    [] e.a = "Silence"           -> Silence(e.tunnel[1])
    [] e.a = "Retire"            -> Retire(e.tunnel[1])
    [] e.a = "Grace"             -> Grace(e.tunnel[1])
    \* The code names the target by its place in the registry, which the specification does not have.
    [] e.a = "Serve"             -> \E target \in m.serving : Serve(target)
    [] e.a = "WaitTimeout"       -> WaitTimeout(caller[e.stream])
    [] e.a = "Drain"             -> Drain
    [] e.a = "Tick"              -> FALSE

\* An event that means nothing to the machine changes nothing. A timer that fires always means something.
Stale(e) ==
  /\ e.a \notin Timers
  /\ ~(Fresh(e) /\ ENABLED Action(e))
  /\ UNCHANGED m

(***************************************************************************)
(* What the code has to report of the step from m to m'.                   *)
(***************************************************************************)
Shown(stage) ==
  CASE stage = "handshaking"             -> "Handshaking"
    [] stage = "rejected"                -> "Rejected"
    [] stage = "settling"                -> "Settling"
    [] stage \in {"resting", "awaiting"} -> "Idle"
    [] stage = "inuse"                   -> "InUse"
    [] stage \in Leaving                 -> "Draining"

ShownStages == {<<t, Shown(m'.stage[t])>> : t \in {u \in Tunnels : m'.stage[u] # "none"}}

Changed == {t \in Tunnels : m.stage[t] # m'.stage[t]}
Gone    == {t \in Changed : m'.stage[t] = "none"}

\* The requests that waited and do so no longer.
Answered == {s \in DOMAIN caller : m'.at[caller[s]] # "waiting"}

Rejections(e) ==
  CASE e.a = "HandshakeInvalid"      -> {e.rejection}
    [] e.verdict = "Unauthenticated" -> {"unauthenticated"}
    [] e.verdict = "Mismatch"        -> {"identity-mismatch"}
    [] m.drain # "no"                -> {"draining"}
    [] AllFull                       -> {"responder-full"}
    [] TenantFull(PeerOf(e))         -> {"tenant-full"}
    [] Crowded(PeerOf(e))            -> {"cluster-full"}
    [] OTHER                         -> {"node-full"}

\* Why a tunnel that had streams to finish goes is known; who had wanted it to go is not, nor what ended that proved its identity.
Lapses == {"CredentialsExpired", "CredentialsRevoked"}
CloseReasons(e, t) ==
  CASE e.a = "HandshakeTimeout"               -> {"HandshakeTimeout", "HandshakeDropped"}
    [] e.a = "EchoTimeout"                    -> {"PingTimeout"}
    [] e.a = "Silence"                        -> {"Silent"}
    [] e.a = "Linger"                         -> IF m.stage[t] = "rejected" THEN {"LingerTimeout"}
                                                 ELSE {"Drained", "Superseded"} \cup Lapses
    [] e.a \in {"Grace", "Drain"}             -> {"GraceExpired", "ConnectionLost"} \cup Lapses
    [] e.a = "Released"                       -> {"Drained", "ConnectionLost"} \cup Lapses
    [] e.a = "GoawayReceived"                 -> {"Drained"}
    [] e.a = "ConnectionLost"                 -> {"ConnectionLost"}
    [] e.a = "HandshakeReceived"              -> {"Evicted"}

Refusals(e) ==
  CASE e.a = "Drain" \/ (e.a = "Opened" /\ m.drain # "no") -> {"Draining"}
    [] e.a = "Opened" /\ Isolation /\ ~HasTenant(e)        -> {"MissingTenant"}
    [] e.a = "Opened" /\ Saturated(e)                      -> {"TenantSaturated"}
    [] e.a = "Opened" /\ Ambiguous(m, TargetOf(e))         -> {"AmbiguousNode"}
    [] e.a = "Serve"                                       -> {"AmbiguousNode"}
    [] e.a = "WaitTimeout" /\ Ambiguous(m, Target(caller[e.stream])) -> {"AmbiguousNode"}
    [] e.a = "Opened" /\ ~WaitIsOff                        -> {IF Cardinality(Waiting(m)) >= MaxWaiting
                                                               THEN "QueueFull" ELSE "TenantQueueFull"}
    [] OTHER                                               -> {"NoTunnel", "Saturated"}

\* What is said to the sender of a request that now is at `at`.
Reply(e, stream, at) ==
  CASE at = "waiting" -> [a : {"Wait"}, stream : {stream}]
    [] at = "away"    -> [a : {"Refuse"}, stream : {stream}, refusal : Refusals(e)]
    [] OTHER          -> [a : {"Assign"}, stream : {stream}, tunnel : {Id(at)}]

OpenedAt(e) == IF m' = m THEN "away" ELSE m'.at[CallerOf(e)]

\* Says(x) for the only element of S, if it has one.
One(S, Says(_)) == IF S = {} THEN <<>> ELSE <<Says(CHOOSE x \in S : TRUE)>>
If(condition, what) == IF condition THEN <<what>> ELSE <<>>

\* For each effect, what it may be.
Effects(e) ==
  LET into(stage) == {t \in Changed : m'.stage[t] = stage}
      refused     == e.a = "Accepted" /\ Changed = {}
      contended   == \E node \in Nodes : ~m.process[node].contended /\ m'.process[node].contended
      closed      == IF e.a = "Closed" THEN {} ELSE Gone
      answered    == IF e.a \in {"Serve", "WaitTimeout", "Drain"} THEN Answered ELSE {}
  IN If(refused, [a         : {"RefuseConnection"},
                 rejection : {CASE m.drain # "no" -> "draining"
                                [] ~HandshakeFits -> "too-many-handshakes"
                                [] OTHER          -> e.effects[1].rejection}])
     \o One(into("handshaking"), LAMBDA t : [a : {"Admit"}, tunnel : {Id(t)}])
     \o One(closed, LAMBDA t : [a : {"Close"}, tunnel : {Id(t)}, reason : CloseReasons(e, t)])
     \o One(into("rejected"), LAMBDA t : [a : {"Reject"}, tunnel : {Id(t)}, rejection : Rejections(e)])
     \o One(into("settling"), LAMBDA t : [a : {"Accept"}, tunnel : {Id(t)}])
     \o If(contended, [a : {"Contended"}, tunnel : {e.tunnel}])
     \o If(e.a \in {"Ping", "Settle"}, [a : {"Ping"}, tunnel : {e.tunnel}])
     \o One(into("draining"), LAMBDA t : [a : {"Goaway"}, tunnel : {Id(t)}])
     \o If(e.a = "Opened", Reply(e, e.stream, OpenedAt(e)))
     \o One(answered, LAMBDA s : Reply(e, s, m'.at[caller[s]]))
     \o If(m.drain # "over" /\ m'.drain = "over", [a : {"Drained"}])

AreEffects(reported, allowed) ==
  /\ Len(reported) = Len(allowed)
  /\ \A i \in DOMAIN allowed : reported[i] \in allowed[i]

(***************************************************************************)
(* The runs                                                                *)
(***************************************************************************)
NoCallers == [stream \in {} |-> "nobody"]

Taken(e) ==
  /\ (Fresh(e) /\ Action(e)) \/ Stale(e) \/ TurnedAway(e)
  /\ e.stages = ShownStages
  /\ AreEffects(e.effects, Effects(e))
  /\ generation' = [t \in Tunnels |-> IF t \in Gone THEN generation[t] + 1 ELSE generation[t]]
  /\ tenant' = IF e.a = "HandshakeReceived" /\ e.tunnel[1] \in Changed
                THEN [tenant EXCEPT ![e.tunnel[1]] = e.tenant]
                ELSE tenant
  /\ caller' = CASE e.a = "Opened" /\ OpenedAt(e) = "waiting" -> caller @@ (e.stream :> CallerOf(e))
                 [] OTHER -> [s \in DOMAIN caller \ Answered |-> caller[s]]

NextRun ==
  /\ m' = begun
  /\ generation' = [t \in Tunnels |-> 0]
  /\ tenant' = [t \in Tunnels |-> ""]
  /\ caller' = NoCallers

TraceInit ==
  /\ Init
  /\ l = 1
  /\ generation = [t \in Tunnels |-> 0]
  /\ tenant = [t \in Tunnels |-> ""]
  /\ caller = NoCallers
  /\ begun = m

TraceNext ==
  /\ l <= Length
  /\ l' = l + 1
  /\ UNCHANGED begun
  /\ IF Record(l).a = "NextRun" THEN NextRun ELSE Taken(Record(l))

TraceSpec == TraceInit /\ [][TraceNext]_traceVars

\* What is the same in all states needs no comparing.
View == <<m, l, generation, tenant, caller>>

NotAccepted == l <= Length
=============================================================================
