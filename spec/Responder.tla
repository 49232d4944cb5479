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
(*      -- GOAWAY with streams ---> parting                                *)
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
          Callers,       \* records [tenant, kind, name, nr]; kind is "node" or "cluster"
          MaxStreams,    \* streams that one tunnel carries at the same time
          MaxPerNode,    \* tunnels of one node that are not on their way out
          MaxPerTenant,  \* tunnels of one tenant
          MaxWaiting,    \* callers waiting at the same time
          Drains,        \* what the operator drains: "nothing", "parts", "all" or "any" of both
          Bug            \* "none", or the name of a mistake to plant

VARIABLE m

Nobody == [tenant |-> "", node |-> "", cluster |-> "", instance |-> 0]

\* Names of one tenant are kept apart from the same names of another: a target has its tenant in it.
Target(caller)   == <<caller.kind, caller.tenant, caller.name>>
NodeTarget(p)    == <<"node", p.tenant, p.node>>
ClusterTarget(p) == <<"cluster", p.tenant, p.cluster>>
Nodes            == {NodeTarget(p) : p \in Peers}
Targets          == Nodes \cup {ClusterTarget(p) : p \in Peers} \cup {Target(c) : c \in Callers}

Staying  == {"settling", "resting", "awaiting", "inuse"}
Leaving  == {"retiring", "draining", "parting"}
Member   == Staying \cup Leaving
Stages   == Member \cup {"none", "handshaking", "rejected"}
NoProcess == [current |-> 0, displaced |-> {}, contended |-> FALSE]

New ==
  [stage    |-> [t \in Tunnels |-> "none"],
   peer     |-> [t \in Tunnels |-> Nobody],
   listed   |-> {},                                \* tunnels that can take one more request
   at       |-> [c \in Callers |-> "away"],        \* "away", "waiting" or the tunnel that carries the request
   queue    |-> [s \in Targets |-> <<>>],
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
Waiting(n)      == {c \in Callers : n.at[c] = "waiting"}
OfNode(n, node) == {t \in Members(n) : NodeTarget(n.peer[t]) = node}
Active(n, node) == {t \in OfNode(n, node) : n.stage[t] \in Staying}

OfTenant(n, tenant) == {t \in Members(n) : n.peer[t].tenant = tenant}

\* A node is in the clusters that its tunnels name, those on their way out too.
ClustersOf(n, node) == {ClusterTarget(n.peer[t]) : t \in OfNode(n, node)}

\* The tunnels that a request for `target` may take. A node of the cluster may be reached through any of its tunnels.
Candidates(n, target) ==
  {t \in n.listed : LET node == NodeTarget(n.peer[t]) IN target = node \/ target \in ClustersOf(n, node)}

(***************************************************************************)
(* What the machine does to itself.                                        *)
(***************************************************************************)
ArmServe(n, targets) ==
  IF Bug = "LostWakeup" THEN n ELSE [n EXCEPT !.serving = @ \cup {s \in targets : n.queue[s] # <<>>}]

\* Makes a tunnel findable, for callers to come and for those who wait.
List(n, t) ==
  LET node == NodeTarget(n.peer[t])
  IN ArmServe([n EXCEPT !.listed = @ \cup {t}], {node} \cup ClustersOf(n, node))

Unlist(n, t) == [n EXCEPT !.listed = @ \ {t}]

\* Says `Drained` once, when everybody was told and no tunnel is left.
Drained(n) ==
  IF n.drain \in {"finishing", "closing"} /\ (Members(n) = {} \/ Bug = "DrainedEarly")
  THEN [n EXCEPT !.drain = "over"]
  ELSE n

Forget(n, t) ==
  LET gone  == [n EXCEPT !.stage[t] = "none", !.peer[t] = Nobody,
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
  IN IF Streams(used, t) >= MaxStreams /\ Bug # "Overbook" THEN Unlist(used, t) ELSE used

Wait(n, c) ==
  IF Cardinality(Waiting(n)) >= MaxWaiting
  THEN n
  ELSE [n EXCEPT !.at[c] = "waiting", !.queue[Target(c)] = Append(@, c)]

StopWaiting(n, c) ==
  LET left == SelectSeq(n.queue[Target(c)], LAMBDA other : other # c)
  IN [n EXCEPT !.at[c] = "away",
               !.queue[Target(c)] = left,
               !.serving = IF left = <<>> THEN @ \ {Target(c)} ELSE @]

\* A tunnel of process `instance` has arrived: those of an older process of its node get no new work.
Fence(n, node, instance) ==
  LET process == n.process[node]
      older   == {t \in OfNode(n, node) : n.peer[t].instance \notin {0, instance} /\ Bug # "SupersededKept"}
      left_alone == process.contended /\ Bug # "ContentionForgotten"
  IN CASE instance = 0 \/ left_alone \/ process.current = instance -> n
       [] process.current = 0 -> [n EXCEPT !.process[node].current = instance]
       [] instance \in process.displaced /\ Bug # "SupersededFlap" -> [n EXCEPT !.process[node].contended = TRUE]
       [] OTHER -> StartDraining([n EXCEPT !.process[node] = [current   |-> instance,
                                                       displaced |-> process.displaced \cup {process.current},
                                                       contended |-> FALSE]], older)

Register(n, t, peer) ==
  LET joined == [n EXCEPT !.stage[t] = "settling", !.peer[t] = peer]
      fenced == Fence(ArmServe(joined, {ClusterTarget(peer)}), NodeTarget(peer), peer.instance)
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

\* Nobody overtakes those who wait. Which of the candidates has the least to do is left open.
Opened(c) ==
  /\ m.at[c] = "away"
  /\ m.drain = "no"
  /\ IF m.queue[Target(c)] # <<>> \/ Candidates(m, Target(c)) = {}
     THEN m' = Wait(m, c)
     ELSE \E t \in Candidates(m, Target(c)) : m' = Assign(m, c, t)

Released(t) ==
  \E c \in Carried(m, t) :
    LET was_full == Streams(m, t) >= MaxStreams
        n        == [m EXCEPT !.at[c] = "away"]
    IN m' = CASE m.stage[t] = "inuse" /\ was_full            -> List(n, t)
              [] m.stage[t] = "parting" /\ Streams(n, t) = 0 -> Close(n, t)
              [] OTHER                                       -> n

Cancelled(c) ==
  /\ m.at[c] = "waiting"
  /\ m' = StopWaiting(m, c)

GoawayReceived(t) ==
  /\ m.stage[t] \in Member
  /\ m' = IF Streams(m, t) = 0
          THEN Close(m, t)
          ELSE [m EXCEPT !.stage[t] = "parting",
                         !.listed = IF Bug = "GoawayListed" THEN @ ELSE @ \ {t}]

\* The tunnels that an order can be about, beside all of them: a tenant's, a node's, a cluster's, one.
Scopes ==
  LET named(peer) == {<<"tenant", peer.tenant>>, NodeTarget(peer), ClusterTarget(peer)}
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

\* One waiting caller a step.
Serve(target) ==
  LET n == [m EXCEPT !.serving = @ \ {target}]
  IN /\ target \in m.serving
     /\ IF Candidates(n, target) = {}
        THEN m' = n
        ELSE \E t \in Candidates(n, target) :
               LET c      == Head(n.queue[target])
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
        /\ \E c \in Waiting(m) : m' = StopWaiting(m, c)
     \/ /\ m.drain = "telling" /\ Waiting(m) = {} /\ staying # {}
        /\ \E t \in staying : m' = [StartDraining(m, {t}) EXCEPT !.stage[t] = "draining"]
     \/ /\ m.drain = "telling" /\ Waiting(m) = {} /\ staying = {}
        /\ m' = Drained([m EXCEPT !.drain = "finishing"])
     \/ /\ m.drain \in {"finishing", "closing"}
        /\ \E t \in close : m' = Close([m EXCEPT !.drain = "closing"], t)

Next ==
  \/ \E t \in Tunnels :
       \/ Accepted(t) \/ HandshakeInvalid(t) \/ Echoed(t) \/ Heard(t) \/ Closed(t) \/ Released(t) \/ GoawayReceived(t)
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
  /\ m.drain \in {"no", "telling", "finishing", "closing", "over"}
  /\ \A t \in Tunnels : m.stage[t] \in Member <=> m.peer[t] # Nobody
  /\ \A s \in Targets : \A i \in DOMAIN m.queue[s] : m.at[m.queue[s][i]] = "waiting" /\ Target(m.queue[s][i]) = s
  /\ \A s \in m.serving : m.queue[s] # <<>>

\* S2: exactly the tunnels can be found whose handshake was accepted, that are not on their way out, and that have room.
CanTakeWork(t) ==
  CASE m.stage[t] = "settling"                -> m.peer[t].instance # 0
    [] m.stage[t] \in {"resting", "awaiting"} -> TRUE
    [] m.stage[t] = "inuse"                   -> Streams(m, t) < MaxStreams
    [] OTHER                                  -> FALSE
RegisteredIsHandshaken == m.listed = {t \in Tunnels : CanTakeWork(t)}

\* S4: a request is carried only by a tunnel of the tenant that the caller asked as, and that tenant was proven.
TenantIsolation ==
  \A c \in Callers : m.at[c] \in Tunnels => m.peer[m.at[c]].tenant = c.tenant /\ m.at[c] \notin m.forged

\* A request is carried only by an accepted tunnel, and by no more than its limit allows.
StreamsFit ==
  /\ \A c \in Callers : m.at[c] \in Tunnels => m.stage[m.at[c]] \in {"inuse"} \cup Leaving
  /\ \A t \in Tunnels : Streams(m, t) <= MaxStreams

\* S13: no node has more tunnels than it may.
NodeCap == \A node \in Nodes : Cardinality(Active(m, node)) <= MaxPerNode

\* S13: nor has a tenant.
TenantCap == \A p \in Peers : Cardinality(OfTenant(m, p.tenant)) <= MaxPerTenant

\* The half of L8 that is a state: nobody waits beside room without being about to be served.
NobodyWaitsBesideRoom ==
  \A s \in Targets : m.queue[s] # <<>> /\ Candidates(m, s) # {} => s \in m.serving

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

\* L8: nobody waits for ever beside room.
WaiterServed == \A c \in Callers : ~<>[](m.at[c] = "waiting" /\ Candidates(m, Target(c)) # {})

\* The other half of L8: every caller that waits is answered in the end, be it by a refusal.
WaiterAnswered == \A c \in Callers : m.at[c] = "waiting" ~> m.at[c] # "waiting"

(***************************************************************************)
(* What must be reachable: each of these is to be violated.                *)
(***************************************************************************)
ReachFull       == \E t \in Tunnels : Streams(m, t) < MaxStreams
ReachQueue      == \A s \in Targets : Len(m.queue[s]) < 2
ReachForeign    == ~\E c \in Callers, t \in m.listed :
                      m.at[c] = "waiting" /\ c.name = m.peer[t].node /\ c.tenant # m.peer[t].tenant
ReachContended  == \A node \in Nodes : ~m.process[node].contended
ReachSupersededBusy == ~\E t \in Tunnels : m.stage[t] = "retiring" /\ Streams(m, t) > 0 /\ m.drain = "no"
ReachReturn     == \A node \in Nodes : Cardinality(Active(m, node)) < MaxPerNode \/ Cardinality(OfNode(m, node)) = MaxPerNode
ReachDrained    == m.drain # "over"

\* Safety only: with symmetry TLC's answers about liveness are worth nothing.
Symmetry == Permutations(Tunnels)
=============================================================================
