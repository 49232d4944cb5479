----------------------------- MODULE Responder -----------------------------
(***************************************************************************)
(* The responder: it knows every tunnel and finds one for each request.    *)
(* The machine is core/src/responder.rs; each action below is one of its   *)
(* events, or `Tick` named by the timer that it fires.                     *)
(*                                                                         *)
(*        Accepted   HandshakeReceived        Settle           Echoed      *)
(*   none --------> handshaking ---> settling -----> awaiting ------+      *)
(*                       |              |  Opened     |  ^          v      *)
(*     HandshakeInvalid, |              |   +---------+  | Ping     |      *)
(*     no room           v              v   v            |          |      *)
(*                    rejected          inuse <--------- resting <--+      *)
(*                                                                         *)
(*   settling, awaiting, resting, inuse                                    *)
(*      -- order, newer process --> retiring -- Retire --> draining        *)
(*      -- GOAWAY or lost, with streams ---> parting                       *)
(*                                                                         *)
(* A tunnel of a process that says which one it is skips the settling: it  *)
(* can be found at once.                                                   *)
(*                                                                         *)
(* Every operator that takes a machine `n` gives the machine afterwards,   *)
(* as the functions of the same names in Rust do with `&mut self`.         *)
(***************************************************************************)
EXTENDS Naturals, FiniteSets, Sequences, TLC

CONSTANTS Tunnels,       \* slots for tunnels
          Peers,         \* records [tenant, node, cluster, instance]; instance 0 says nothing
          Callers,       \* records [tenant, kind, node, cluster, nr]; kind is "node", "member" or "cluster", and what it
                         \* does not name is ""
          AnyCluster,    \* whether a node's name alone means any of those that have it
          MaxStreams,    \* streams that one tunnel carries at the same time
          PeerLimits,    \* how many of them initiators may announce that they take
          MaxPerNode,    \* tunnels of one node that are not on their way out
          MaxPerTenant,  \* tunnels of one tenant
          MaxWaiting,    \* callers waiting at the same time
          Drains,        \* what the operator drains: "nothing", "parts", "all" or "any" of both
          Bug            \* "none", or the name of a mistake to plant

VARIABLE m

Nobody == [tenant |-> "", node |-> "", cluster |-> "", instance |-> 0]

\* Names of one tenant are kept apart from the same names of another: a target has its tenant in it. A node is known by
\* its cluster and its name; its name alone is a target of its own, and so is its cluster.
Target(caller)   == <<caller.kind, caller.tenant, caller.node, caller.cluster>>
NodeTarget(p)    == <<"member", p.tenant, p.node, p.cluster>>
NameTarget(p)    == <<"node", p.tenant, p.node, "">>
ClusterTarget(p) == <<"cluster", p.tenant, "", p.cluster>>
TargetsOf(p)     == {NodeTarget(p), NameTarget(p), ClusterTarget(p)}
Nodes            == {NodeTarget(p) : p \in Peers}
Targets          == UNION {TargetsOf(p) : p \in Peers} \cup {Target(c) : c \in Callers}

Staying  == {"settling", "resting", "awaiting", "inuse"}
Leaving  == {"retiring", "draining", "parting"}
Member   == Staying \cup Leaving
Stages   == Member \cup {"none", "handshaking", "rejected"}
NoProcess == [current |-> 0, displaced |-> {}, contended |-> FALSE]

New ==
  [stage    |-> [t \in Tunnels |-> "none"],
   peer     |-> [t \in Tunnels |-> Nobody],
   listed   |-> {},                                \* tunnels that can take one more request
   limit    |-> [t \in Tunnels |-> MaxStreams],    \* streams that we send and the initiator takes
   at       |-> [c \in Callers |-> "away"],        \* "away", "waiting" or the tunnel that carries the request
   waiting  |-> <<>>,                              \* callers that wait, first come first
   serving  |-> {},                                \* targets whose Serve timer is armed
   process  |-> [node \in Nodes |-> NoProcess],    \* the processes of a node, as far as they say
   drain    |-> "no",
   forged   |-> {}]                                \* members whose claim was not authenticated: always empty

Init == m = New

(***************************************************************************)
(* What the machine works out from its state.                              *)
(***************************************************************************)
Members(n)      == {t \in Tunnels : n.stage[t] \in Member}
Carried(n, t)   == {c \in Callers : n.at[c] = t}
Streams(n, t)   == Cardinality(Carried(n, t))
HasRoom(n, t)   == Streams(n, t) < n.limit[t]
Waiting(n)      == {c \in Callers : n.at[c] = "waiting"}
Queue(n, s)     == SelectSeq(n.waiting, LAMBDA c : Target(c) = s)
OfNode(n, node) == {t \in Members(n) : NodeTarget(n.peer[t]) = node}
Active(n, node) == {t \in OfNode(n, node) : n.stage[t] \in Staying}

OfTenant(n, tenant) == {t \in Members(n) : n.peer[t].tenant = tenant}

\* A name that nodes of several clusters have is no target: which of them is meant, nobody can know.
OfName(n, name)      == {t \in Tunnels : n.stage[t] \in Staying /\ NameTarget(n.peer[t]) = name}
Ambiguous(n, target) == ~AnyCluster /\ Cardinality({n.peer[t].cluster : t \in OfName(n, target)}) > 1

\* Whether a request for `target` may take the tunnel.
Fits(n, t, target) ==
  \/ target \in TargetsOf(n.peer[t])
  \/ Bug = "ForeignCluster" /\ target[1] = "member" /\ NameTarget(n.peer[t]) = <<"node", target[2], target[3], "">>

\* The tunnels that a request for `target` may take.
Candidates(n, target) ==
  IF Ambiguous(n, target) /\ Bug # "AmbiguousTaken" THEN {} ELSE {t \in n.listed : Fits(n, t, target)}

\* Those who wait and whom the tunnel may serve, first come first.
WaitingFor(n, t) == SelectSeq(n.waiting, LAMBDA c : t \in Candidates(n, Target(c)))

(***************************************************************************)
(* What the machine does to itself.                                        *)
(***************************************************************************)
ArmServe(n, targets) ==
  IF Bug = "LostWakeup" THEN n ELSE [n EXCEPT !.serving = @ \cup {s \in targets : Queue(n, s) # <<>>}]

\* Makes a tunnel findable, for callers to come and for those who wait.
List(n, t) == ArmServe([n EXCEPT !.listed = @ \cup {t}], TargetsOf(n.peer[t]))

Unlist(n, t) == [n EXCEPT !.listed = @ \ {t}]

\* Says `Drained` once, when everybody was told and no tunnel is left.
Drained(n) ==
  IF n.drain \in {"finishing", "closing"} /\ (Members(n) = {} \/ Bug = "DrainedEarly")
  THEN [n EXCEPT !.drain = "over"]
  ELSE n

Forget(n, t) ==
  LET gone  == [n EXCEPT !.stage[t] = "none", !.peer[t] = Nobody, !.limit[t] = MaxStreams,
                         !.listed = @ \ (IF Bug = "ClosedListed" THEN {} ELSE {t}), !.forged = @ \ {t},
                         !.at = [c \in Callers |-> IF @[c] = t THEN "away" ELSE @[c]]]
  IN IF n.stage[t] \notin Member \/ OfNode(gone, NodeTarget(n.peer[t])) # {}
     THEN gone
     ELSE [gone EXCEPT !.process[NodeTarget(n.peer[t])] = NoProcess]

Close(n, t) == Drained(Forget(n, t))

\* No new work for the tunnel from here on; it is told in a step of its own.
StartDraining(n, tunnels) ==
  LET leaving == {t \in tunnels : n.stage[t] \in Staying}
  IN [n EXCEPT !.stage = [t \in Tunnels |-> IF t \in leaving THEN "retiring" ELSE @[t]],
               !.listed = @ \ leaving]

Assign(n, c, t) ==
  LET used == [n EXCEPT !.at[c] = t, !.stage[t] = "inuse"]
  IN IF ~HasRoom(used, t) /\ Bug # "Overbook" THEN Unlist(used, t) ELSE used

\* The initiator takes no more requests there, and need not be told.
Part(n, t) ==
  IF Streams(n, t) = 0
  THEN Close(n, t)
  ELSE [n EXCEPT !.stage[t] = "parting",
                 !.listed = IF Bug = "GoawayListed" THEN @ ELSE @ \ {t}]

Wait(n, c) ==
  IF Cardinality(Waiting(n)) >= MaxWaiting
  THEN n
  ELSE [n EXCEPT !.at[c] = "waiting", !.waiting = Append(@, c)]

StopWaiting(n, c) ==
  LET left == [n EXCEPT !.at[c] = "away", !.waiting = SelectSeq(@, LAMBDA other : other # c)]
  IN IF Queue(left, Target(c)) = <<>> THEN [left EXCEPT !.serving = @ \ {Target(c)}] ELSE left

\* A tunnel of process `instance` has arrived: those of an older process of its node get no new work.
Fence(n, node, instance) ==
  LET process == n.process[node]
      alike   == {t \in Members(n) : NameTarget(n.peer[t]) = <<"node", node[2], node[3], "">>}
      rivals  == IF Bug = "ForeignFenced" THEN alike ELSE OfNode(n, node)
      older   == {t \in rivals : n.peer[t].instance \notin {0, instance} /\ Bug # "SupersededKept"}
      left_alone == process.contended /\ Bug # "ContentionForgotten"
  IN CASE instance = 0 \/ left_alone \/ process.current = instance -> n
       [] process.current = 0 -> [n EXCEPT !.process[node].current = instance]
       [] instance \in process.displaced /\ Bug # "SupersededFlap" -> [n EXCEPT !.process[node].contended = TRUE]
       [] OTHER -> StartDraining([n EXCEPT !.process[node] = [current   |-> instance,
                                                       displaced |-> process.displaced \cup {process.current},
                                                       contended |-> FALSE]], older)

Register(n, t, peer) ==
  LET joined == [n EXCEPT !.stage[t] = "settling", !.peer[t] = peer]
      \* It may have made a name ambiguous, and those who wait for that have to know.
      fenced == Fence(ArmServe(joined, {NameTarget(peer)}), NodeTarget(peer), peer.instance)
  IN IF peer.instance = 0 THEN fenced ELSE List(fenced, t)

(***************************************************************************)
(* Events                                                                  *)
(***************************************************************************)
Admitting == m.drain = "no" \/ Bug = "DrainRegisters"

Accepted(t) ==
  /\ m.stage[t] = "none"
  /\ Admitting
  /\ m' = [m EXCEPT !.stage[t] = "handshaking"]

Full(n, peer) ==
  \/ Cardinality(Active(n, NodeTarget(peer))) >= MaxPerNode /\ Bug # "NoCap"
  \/ Cardinality(OfTenant(n, peer.tenant)) >= MaxPerTenant /\ Bug # "NoTenantCap"

\* Where there is no room, the tunnel of the node whose ping is unanswered for the longest time has to go, if there is
\* one. Whether that is long enough to be suspect is left open.
Admissions(n, peer) ==
  IF Full(n, peer)
  THEN {Close(n, t) : t \in {u \in OfNode(n, NodeTarget(peer)) : n.stage[u] = "awaiting"}}
  ELSE {n}

HandshakeReceived(t, peer, authenticated) ==
  /\ m.stage[t] = "handshaking"
  /\ \/ /\ authenticated \/ Bug = "TrustClaims"
        /\ Admitting
        /\ \E n \in Admissions(m, peer) :
             m' = [Register(n, t, peer) EXCEPT !.forged = IF authenticated THEN @ ELSE @ \cup {t}]
     \/ /\ ~authenticated \/ m.drain # "no" \/ Full(m, peer)
        /\ m' = [m EXCEPT !.stage[t] = "rejected"]

HandshakeInvalid(t) ==
  /\ m.stage[t] = "handshaking"
  /\ m' = [m EXCEPT !.stage[t] = "rejected"]

Echoed(t) ==
  /\ m.stage[t] \in Member
  /\ m' = IF m.stage[t] = "awaiting" THEN [m EXCEPT !.stage[t] = "resting"] ELSE m

Heard(t) ==
  /\ m.stage[t] \in {"inuse"} \cup Leaving
  /\ UNCHANGED m

Closed(t) ==
  /\ m.stage[t] # "none"
  /\ m' = Close(m, t)

\* Nobody overtakes those who wait, whichever of its names they wait for. Which of the candidates has the least to do is
\* left open. Who asks for an ambiguous name is refused.
Opened(c) ==
  /\ m.at[c] = "away"
  /\ m.drain = "no"
  /\ CASE Ambiguous(m, Target(c)) /\ Bug # "AmbiguousTaken" -> m' = m
       [] Queue(m, Target(c)) # <<>> \/ Candidates(m, Target(c)) = {} -> m' = Wait(m, c)
       [] OTHER -> \E t \in Candidates(m, Target(c)) :
                     IF WaitingFor(m, t) = <<>> \/ Bug = "Overtaken"
                     THEN m' = Assign(m, c, t)
                     ELSE m' = ArmServe(Wait(m, c), {Target(c)})

Released(t) ==
  \E c \in Carried(m, t) :
    LET n == [m EXCEPT !.at[c] = "away"]
    IN m' = CASE m.stage[t] = "inuse" /\ t \notin n.listed /\ HasRoom(n, t) -> List(n, t)
              [] m.stage[t] = "parting" /\ Streams(n, t) = 0                -> Close(n, t)
              [] OTHER                                                      -> n

Cancelled(c) ==
  /\ m.at[c] = "waiting"
  /\ m' = StopWaiting(m, c)

GoawayReceived(t) ==
  /\ m.stage[t] \in Member
  /\ m' = Part(m, t)

\* A request found that the connection takes no more, and that is known before its end is.
ConnectionLost(t) ==
  /\ m.stage[t] \in Member
  /\ m' = Part(m, t)

\* What is under way beyond a new limit goes on.
SettingsReceived(t) ==
  /\ m.stage[t] = "inuse"
  /\ \E limit \in PeerLimits :
       LET n == [m EXCEPT !.limit[t] = IF limit < MaxStreams THEN limit ELSE MaxStreams]
       IN m' = CASE t \in n.listed /\ ~HasRoom(n, t) /\ Bug # "PeerLimitIgnored" -> Unlist(n, t)
                 [] t \notin n.listed /\ HasRoom(n, t)                            -> List(n, t)
                 [] OTHER                                                         -> n

\* The tunnels that an order can be about, beside all of them: a tenant's, a node's, those of a name, a cluster's, one.
Scopes ==
  LET named(peer) == {<<"tenant", peer.tenant>>} \cup TargetsOf(peer)
      names       == UNION {named(peer) : peer \in Peers}
  IN {{t \in Members(m) : name \in named(m.peer[t])} : name \in names} \cup {{t} : t \in Members(m)}

DrainRequested ==
  \/ Drains \in {"parts", "any"} /\ \E tunnels \in Scopes : m' = StartDraining(m, tunnels)
  \/ Drains \in {"all", "any"} /\ m.drain = "no" /\ m' = [m EXCEPT !.drain = "telling"]

(***************************************************************************)
(* Timers. Time is left out: what is armed may fire.                       *)
(***************************************************************************)
HandshakeTimeout(t) ==
  /\ m.stage[t] = "handshaking"
  /\ m' = Close(m, t)

Linger(t) ==
  /\ m.stage[t] = "rejected" \/ (m.stage[t] = "draining" /\ Streams(m, t) = 0)
  /\ m' = Close(m, t)

Settle(t) ==
  /\ m.stage[t] = "settling"
  /\ m' = [List(m, t) EXCEPT !.stage[t] = "awaiting"]

Ping(t) ==
  /\ m.stage[t] = "resting"
  /\ m' = [m EXCEPT !.stage[t] = "awaiting"]

EchoTimeout(t) ==
  /\ m.stage[t] = "awaiting"
  /\ m' = Close(m, t)

Silence(t) ==
  /\ m.stage[t] = "inuse"
  /\ m' = Close(m, t)

Retire(t) ==
  /\ m.stage[t] = "retiring"
  /\ m' = [m EXCEPT !.stage[t] = "draining"]

Grace(t) ==
  /\ m.stage[t] = "parting" \/ (m.stage[t] = "draining" /\ Streams(m, t) > 0)
  /\ m' = Close(m, t)

\* One waiting caller a step: of all that the tunnel may serve, the one that waits the longest. Who waits for a name that
\* has become ambiguous is refused.
Serve(target) ==
  LET n == [m EXCEPT !.serving = @ \ {target}]
  IN /\ target \in m.serving
     /\ CASE Ambiguous(n, target) /\ Bug # "AmbiguousTaken" ->
               m' = ArmServe(StopWaiting(n, Head(Queue(n, target))), {target})
          [] Candidates(n, target) = {} -> m' = n
          [] OTHER ->
               \E t \in Candidates(n, target) :
                 LET c      == Head(IF Bug = "OwnQueueFirst" THEN Queue(n, target) ELSE WaitingFor(n, t))
                     served == Assign(StopWaiting(n, c), c, t)
                 IN m' = IF Candidates(served, target) # {} THEN ArmServe(served, {target}) ELSE served

WaitTimeout(c) ==
  /\ m.at[c] = "waiting" /\ Bug # "NoWaitTimeout"
  /\ m' = StopWaiting(m, c)

\* One piece of the drain of everything: turn a waiting caller away, tell a tunnel, or close one.
Drain ==
  LET staying == {t \in Tunnels : m.stage[t] \in Staying}
      close   == IF Bug = "PatientDrain" THEN {t \in Members(m) : Streams(m, t) = 0} ELSE Members(m)
  IN \/ /\ m.drain = "telling" /\ Waiting(m) # {}
        /\ m' = StopWaiting(m, Head(m.waiting))
     \/ /\ m.drain = "telling" /\ Waiting(m) = {} /\ staying # {}
        /\ \E t \in staying : m' = [StartDraining(m, {t}) EXCEPT !.stage[t] = "draining"]
     \/ /\ m.drain = "telling" /\ Waiting(m) = {} /\ staying = {}
        /\ m' = Drained([m EXCEPT !.drain = "finishing"])
     \/ /\ m.drain \in {"finishing", "closing"}
        /\ \E t \in close : m' = Close([m EXCEPT !.drain = "closing"], t)

Next ==
  \/ \E t \in Tunnels :
       \/ Accepted(t) \/ HandshakeInvalid(t) \/ Echoed(t) \/ Heard(t) \/ Closed(t) \/ Released(t) \/ GoawayReceived(t)
       \/ ConnectionLost(t) \/ SettingsReceived(t)
       \/ HandshakeTimeout(t) \/ Linger(t) \/ Settle(t) \/ Ping(t) \/ EchoTimeout(t) \/ Silence(t)
       \/ Retire(t) \/ Grace(t)
       \/ \E peer \in Peers, authenticated \in BOOLEAN : HandshakeReceived(t, peer, authenticated)
  \/ \E c \in Callers : Opened(c) \/ Cancelled(c) \/ WaitTimeout(c)
  \/ \E target \in Targets : Serve(target)
  \/ DrainRequested \/ Drain

Spec == Init /\ [][Next]_m

\* Only the machine's own timers are promised, and of those only the ones that a property is about.
DrainingSpec == Spec /\ WF_m(Drain)
ServingSpec  == Spec /\ \A target \in Targets : WF_m(Serve(target))
PatientSpec  == Spec /\ \A c \in Callers : WF_m(WaitTimeout(c))

(***************************************************************************)
(* Properties                                                              *)
(***************************************************************************)
TypeOK ==
  /\ m.stage \in [Tunnels -> Stages]
  /\ m.peer \in [Tunnels -> Peers \cup {Nobody}]
  /\ m.at \in [Callers -> {"away", "waiting"} \cup Tunnels]
  /\ m.limit \in [Tunnels -> 0..MaxStreams]
  /\ m.drain \in {"no", "telling", "finishing", "closing", "over"}
  /\ \A t \in Tunnels : m.stage[t] \in Member <=> m.peer[t] # Nobody
  /\ {m.waiting[i] : i \in DOMAIN m.waiting} = Waiting(m) /\ Len(m.waiting) = Cardinality(Waiting(m))
  /\ \A s \in m.serving : s \in Targets /\ Queue(m, s) # <<>>

\* S2: exactly the tunnels can be found whose handshake was accepted, that are not on their way out, and that have room.
CanTakeWork(t) ==
  CASE m.stage[t] = "settling"                -> m.peer[t].instance # 0
    [] m.stage[t] \in {"resting", "awaiting"} -> TRUE
    [] m.stage[t] = "inuse"                   -> HasRoom(m, t)
    [] OTHER                                  -> FALSE
RegisteredIsHandshaken == m.listed = {t \in Tunnels : CanTakeWork(t)}

\* S4: a request is carried only by a tunnel of the tenant that the caller asked as, and that tenant was proven.
TenantIsolation ==
  \A c \in Callers : m.at[c] \in Tunnels => m.peer[m.at[c]].tenant = c.tenant /\ m.at[c] \notin m.forged

\* S4: a request is carried only by a tunnel of the node and of the cluster that the caller named, and by none if that
\* leaves open which. A node that arrives changes nothing for its namesakes in other clusters.
Arrived(t) == m.stage[t] = "handshaking" /\ m'.stage[t] \in Member
ClusterIsolation ==
  [][/\ \A c \in Callers : m.at[c] \notin Tunnels /\ m'.at[c] \in Tunnels =>
          LET p == m.peer[m'.at[c]]
          IN c.node \in {"", p.node} /\ c.cluster \in {"", p.cluster} /\ ~Ambiguous(m, Target(c))
     /\ \A t \in Tunnels : Arrived(t) =>
          \A u \in Members(m) : NodeTarget(m.peer[u]) # NodeTarget(m'.peer[t]) => m'.stage[u] = m.stage[u]]_m

\* A request is carried only by an accepted tunnel, and by no more than both ends allow when it is assigned.
StreamsFit ==
  /\ \A c \in Callers : m.at[c] \in Tunnels => m.stage[m.at[c]] \in {"inuse"} \cup Leaving
  /\ \A t \in Tunnels : Streams(m, t) <= MaxStreams

PeerLimitObeyed ==
  [][\A c \in Callers : m.at[c] \notin Tunnels /\ m'.at[c] \in Tunnels => HasRoom(m, m'.at[c])]_m

\* S13: no node has more tunnels than it may.
NodeCap == \A node \in Nodes : Cardinality(Active(m, node)) <= MaxPerNode

\* S13: nor has a tenant.
TenantCap == \A p \in Peers : Cardinality(OfTenant(m, p.tenant)) <= MaxPerTenant

\* The half of L8 that is a state: nobody waits beside room without being about to be served, nor for an ambiguous name
\* without being about to be refused.
NobodyWaitsBesideRoom ==
  \A c \in Waiting(m) : Candidates(m, Target(c)) # {} \/ Ambiguous(m, Target(c)) => Target(c) \in m.serving

\* A free place goes to whoever waits the longest of all whom it fits, whatever they named.
Before(c, other) ==
  \E i \in DOMAIN m.waiting : m.waiting[i] = c /\ \A j \in DOMAIN m.waiting : m.waiting[j] = other => i < j
OldestFirst ==
  [][\A c \in Callers : m.at[c] \notin Tunnels /\ m'.at[c] \in Tunnels =>
       \A other \in Waiting(m) \ {c} : Before(other, c) => m'.at[c] \notin Candidates(m, Target(other))]_m

\* Work goes to the newest process of a node, or to all of them if two turned out to be alive.
SupersededGetNoWork ==
  \A t \in m.listed : LET process == m.process[NodeTarget(m.peer[t])]
                      IN process.contended \/ m.peer[t].instance \in {0, process.current}

\* Two processes that both turned out to be alive are left alone for as long as the node has tunnels.
ContendedStays ==
  [][\A node \in Nodes : m.process[node].contended => m'.process[node] = m.process[node] \/ OfNode(m', node) = {}]_m

\* A process that was displaced does not displace its successor.
NoFlapping ==
  [][\A node \in Nodes : LET was == m.process[node] is == m'.process[node]
                         IN is.current \notin was.displaced]_m

\* S9: while everything is being drained no tunnel is added.
NoRegisterWhileDraining == [][m.drain # "no" => Members(m') \subseteq Members(m)]_m

\* A drain that is over leaves no tunnel.
DrainedIsEmpty == m.drain = "over" => Members(m) = {}

\* L5: a drain ends, whatever streams and peers do.
DrainEnds == m.drain = "telling" ~> m.drain = "over"

\* L8: nobody waits for ever beside room, nor while others are given one place after the other.
Snatched(c) == \E other \in Callers : /\ m.at[other] \notin Tunnels /\ m'.at[other] \in Tunnels
                                      /\ m'.at[other] \in Candidates(m, Target(c))
WaiterServed ==
  \A c \in Callers :
    /\ ~<>[](m.at[c] = "waiting" /\ Candidates(m, Target(c)) # {})
    /\ <>[](m.at[c] = "waiting") => <>[][~Snatched(c)]_m

\* The other half of L8: every caller that waits is answered in the end, be it by a refusal.
WaiterAnswered == \A c \in Callers : m.at[c] = "waiting" ~> m.at[c] # "waiting"

(***************************************************************************)
(* What must be reachable: each of these is to be violated.                *)
(***************************************************************************)
ReachFull       == \E t \in Tunnels : Streams(m, t) < MaxStreams
ReachPeerLimit  == \A t \in Tunnels : HasRoom(m, t) \/ Streams(m, t) = MaxStreams
ReachQueue      == \A s \in Targets : Len(Queue(m, s)) < 2
ReachForeign    == ~\E c \in Callers, t \in m.listed :
                      m.at[c] = "waiting" /\ c.node = m.peer[t].node /\ c.tenant # m.peer[t].tenant
ReachAmbiguous  == ~\E c \in Callers : m.at[c] = "waiting" /\ Ambiguous(m, Target(c))
ReachQueues     == ~\E t \in m.listed : Cardinality({Target(c) : c \in {d \in Waiting(m) : t \in Candidates(m, Target(d))}}) > 1
ReachContended  == \A node \in Nodes : ~m.process[node].contended
ReachSupersededBusy == ~\E t \in Tunnels : m.stage[t] = "retiring" /\ Streams(m, t) > 0 /\ m.drain = "no"
ReachReturn     == \A node \in Nodes : Cardinality(Active(m, node)) < MaxPerNode \/ Cardinality(OfNode(m, node)) = MaxPerNode
ReachDrained    == m.drain # "over"

\* Safety only: with symmetry TLC's answers about liveness are worth nothing.
Symmetry == Permutations(Tunnels)
=============================================================================
