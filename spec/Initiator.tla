----------------------------- MODULE Initiator -----------------------------
(***************************************************************************)
(* The initiator of one upstream: it keeps a target number of tunnels to   *)
(* every host. The machine is core/src/initiator.rs; each action below is  *)
(* one of its events, or `Tick` named by the timer that it fires.          *)
(*                                                                         *)
(*          Dial         Connected            Answered            Used     *)
(*   none ---------> dialing ------> handshaking ------> unproven ----+    *)
(*                                                          | Heard   |    *)
(*                                                          v         v    *)
(*                                                        proven --> http1 *)
(*                                                          |        http2 *)
(*                   GoawayReceived, Shed                  v         |    *)
(*                                                       draining <---+    *)
(*                                                                         *)
(* Every operator that takes a machine `n` gives the machine afterwards,   *)
(* as the functions of the same names in Rust do with `&mut self`.         *)
(***************************************************************************)
EXTENDS Naturals, FiniteSets, TLC

CONSTANTS Hosts,     \* the addresses that the upstream's name resolved to
          Tunnels,   \* slots for tunnels; for every host there must be 2 * MaxCount
          MaxCount,  \* the highest target, and the most tunnels of a host that may drain at a time
          Changes,   \* how often the targets change
          Faults,    \* how often the network or a responder does harm
          Bug        \* "none", or the name of a mistake to plant

VARIABLES m,         \* the machine
          changes,   \* changes of targets so far
          faults     \* harm done so far

vars == <<m, changes, faults>>

Pending  == {"dialing", "handshaking"}
Idle     == {"unproven", "proven"}
InUse    == {"http1", "http2"}
Live     == Pending \cup Idle \cup InUse
Stages   == Live \cup {"none", "draining"}
Calm     == {"none", "flapped"}                \* one tunnel that lived too short is not serious yet
Backoffs == Calm \cup {"failing", "flapping"}
NoHost   == "no host"

New ==
  [stage   |-> [t \in Tunnels |-> "none"],
   host    |-> [t \in Tunnels |-> NoHost],
   revtun  |-> {},                                  \* idle tunnels to a responder that is revtun
   target  |-> [h \in Hosts |-> 0],
   backoff |-> [h \in Hosts |-> "none"],
   drain   |-> "no"]

Init ==
  /\ m = New
  /\ changes = 0
  /\ faults = 0

(***************************************************************************)
(* What the machine works out from its state.                              *)
(***************************************************************************)
All(n)          == {t \in Tunnels : n.stage[t] # "none"}
Of(n, h, S)     == {t \in Tunnels : n.host[t] = h /\ n.stage[t] \in S}
Count(n, h, S)  == Cardinality(Of(n, h, S))
Target(n, h)    == IF n.drain = "no" \/ Bug = "DrainDials" THEN n.target[h] ELSE 0

\* What counts as there already when the machine decides on a dial.
Counted == IF Bug = "Overdial" THEN Live \ Pending ELSE Live

\* A host in backoff is probed by one dial at a time.
MayDial(n, h) ==
  CASE Bug = "Stampede" -> TRUE
    [] Bug = "NoProbe"  -> n.backoff[h] \in Calm
    [] OTHER            -> n.backoff[h] \in Calm \/ Count(n, h, Pending) = 0

\* `reconcile`: the one timer of a host is a function of the state.
DialArmed(n, h) == Count(n, h, Counted) < Target(n, h) /\ MayDial(n, h)
ShedArmed(n, h) == Count(n, h, Live) > Target(n, h) /\ Bug # "KeepSurplus"

(***************************************************************************)
(* What the machine does to itself.                                        *)
(***************************************************************************)
\* The end of every step: hosts that nobody needs are forgotten, and a drain with nothing left is over.
Settle(n) ==
  LET forgotten == {h \in Hosts : Target(n, h) = 0 /\ Of(n, h, Stages) = {}}
  IN [n EXCEPT !.target  = [h \in Hosts |-> IF h \in forgotten THEN 0 ELSE @[h]],
               !.backoff = [h \in Hosts |-> IF h \in forgotten THEN "none" ELSE @[h]],
               !.drain   = IF @ = "draining" /\ (All(n) = {} \/ Bug = "DrainedEarly") THEN "over" ELSE @]

Enter(n, t, stage)        == [n EXCEPT !.stage[t] = stage, !.revtun = @ \ {t}]
Forget(n, t)              == [Enter(n, t, "none") EXCEPT !.host[t] = NoHost]
RecordFailure(n, t, kind) == [n EXCEPT !.backoff[n.host[t]] = kind]
Fail(n, t)                == Forget(RecordFailure(n, t, "failing"), t)

\* A responder that says GOAWAY again and again must not pile up tunnels.
StartDraining(n, t) ==
  LET drained == Enter(n, t, "draining")
  IN IF Count(drained, n.host[t], {"draining"}) > MaxCount /\ Bug # "GoawayPileup"
     THEN Forget(n, t)
     ELSE drained

\* What one more tunnel that lived too short does to the backoff of its host. Those that were dialled before the last
\* one ended belong to the same wave and count once; whether this one was is left open.
Flapped(backoff) ==
  CASE backoff = "flapped"  -> {"flapped", "flapping"}
    [] backoff = "flapping" -> {"flapping"}
    [] OTHER                -> {"flapped"}

\* What the end of a tunnel can do to it. Whether one that was proven or used lived for long enough is left open.
Ended(n, t) ==
  LET backoff == n.backoff[n.host[t]]
  IN CASE n.stage[t] = "unproven"              -> Flapped(backoff)
       [] n.stage[t] \in {"proven"} \cup InUse -> Flapped(backoff) \cup {backoff}
       [] OTHER                                -> {backoff}

\* A tunnel was found alive. Whether it lived for long enough by now is left open.
Lived(n, t) == {n.backoff[n.host[t]], "none"}

(***************************************************************************)
(* Budgets. They bound the harm by what is enabled, never by a constraint, *)
(* which would cut off behaviours and make liveness hold for nothing.      *)
(***************************************************************************)
Endless == 1000    \* as a budget: nothing is counted; System.tla counts what it does itself

Spent(count, budget) == IF budget = Endless THEN count ELSE count + 1

Change == changes < Changes /\ changes' = Spent(changes, Changes) /\ UNCHANGED faults
Fault  == faults < Faults /\ faults' = Spent(faults, Faults) /\ UNCHANGED changes
Free   == UNCHANGED <<changes, faults>>

(***************************************************************************)
(* Events                                                                  *)
(***************************************************************************)
TargetSet(h, count) ==
  /\ Change
  /\ count # m.target[h]
  /\ m' = Settle([m EXCEPT !.target[h] = count])

Connected(t) ==
  /\ Free
  /\ m.stage[t] = "dialing"
  /\ m' = Enter(m, t, "handshaking")

AnsweredAccepted(t, revtun) ==
  /\ Free
  /\ m.stage[t] = "handshaking"
  /\ LET h == m.host[t]
         up == [Enter(m, t, "unproven") EXCEPT !.backoff[h] = IF @ = "failing" THEN "none" ELSE @]
     IN m' = IF revtun THEN [up EXCEPT !.revtun = @ \cup {t}] ELSE up

AnsweredOtherwise(t) ==
  /\ Fault
  /\ m.stage[t] = "handshaking"
  /\ m' = Settle(Fail(m, t))

Answered(t) == AnsweredOtherwise(t) \/ \E revtun \in BOOLEAN : AnsweredAccepted(t, revtun)

Heard(t) ==
  /\ Free
  /\ m.stage[t] \in Idle \cup InUse \cup {"draining"}
  /\ IF m.stage[t] \in Idle \cup InUse
     THEN \E backoff \in Lived(m, t) :
            m' = [m EXCEPT !.stage[t] = IF @ = "unproven" THEN "proven" ELSE @, !.backoff[m.host[t]] = backoff]
     ELSE UNCHANGED m

Used(t, protocol) ==
  /\ Free
  /\ m.stage[t] \in Idle \cup {"draining"}
  /\ IF m.stage[t] \in Idle
     THEN \E backoff \in Lived(m, t) : m' = [Enter(m, t, protocol) EXCEPT !.backoff[m.host[t]] = backoff]
     ELSE UNCHANGED m

Closed(t) ==
  /\ m.stage[t] # "none"
  /\ IF m.stage[t] = "draining" THEN Free ELSE Fault
  /\ IF m.stage[t] \in Pending
     THEN m' = Settle(Fail(m, t))
     ELSE \E backoff \in Ended(m, t) : m' = Settle(Forget(RecordFailure(m, t, backoff), t))

GoawayReceived(t) ==
  /\ Fault
  /\ m.stage[t] \in Idle \cup InUse
  /\ \E backoff \in Ended(m, t) : m' = Settle(StartDraining(RecordFailure(m, t, backoff), t))

DrainRequested ==
  /\ Free
  /\ m.drain = "no"
  /\ m' = Settle([m EXCEPT !.drain = "draining"])

(***************************************************************************)
(* Timers. Time is left out: what is armed may fire.                       *)
(***************************************************************************)
Dial(h) ==
  /\ Free
  /\ DialArmed(m, h)
  /\ \E t \in Tunnels \ All(m) : m' = [Enter(m, t, "dialing") EXCEPT !.host[t] = h]

\* What goes first: what is not up yet, then what is idle.
Sheddable(h) ==
  LET easiest(S, otherwise) == IF Of(m, h, S) # {} THEN Of(m, h, S) ELSE otherwise
  IN easiest(Pending, easiest(Idle, Of(m, h, InUse)))

Shed(h) ==
  /\ Free
  /\ ShedArmed(m, h)
  /\ \E t \in Sheddable(h) :
       IF m.stage[t] \in InUse \/ t \in m.revtun
       THEN m' = Settle(StartDraining(m, t))
       ELSE m' = Settle(Forget(m, t))

ConnectTimeout(t) ==
  /\ Fault
  /\ m.stage[t] = "dialing"
  /\ m' = Settle(Fail(m, t))

HandshakeTimeout(t) ==
  /\ Fault
  /\ m.stage[t] = "handshaking"
  /\ m' = Settle(Fail(m, t))

\* Long silence of HTTP/1.1 is normal, so it has no timer.
Silence(t) ==
  /\ Fault
  /\ m.stage[t] \in Idle \cup {"http2"}
  /\ m' = Settle(IF m.stage[t] = "unproven" THEN Fail(m, t) ELSE Forget(m, t))

Grace(t) ==
  /\ Free
  /\ m.stage[t] = "draining"
  /\ m' = Settle(Forget(m, t))

DrainEnd ==
  /\ Free
  /\ m.drain = "draining"
  /\ \E t \in All(m) : m' = Settle(Forget(m, t))

Next ==
  \/ \E h \in Hosts : Dial(h) \/ Shed(h) \/ \E count \in 0..MaxCount : TargetSet(h, count)
  \/ \E t \in Tunnels :
       \/ Connected(t) \/ Answered(t) \/ Heard(t) \/ Closed(t) \/ GoawayReceived(t)
       \/ ConnectTimeout(t) \/ HandshakeTimeout(t) \/ Silence(t) \/ Grace(t)
       \/ \E protocol \in InUse : Used(t, protocol)
  \/ DrainRequested \/ DrainEnd

\* A world that does no harm connects and answers; the machine's own timers fire. Nothing else is promised.
Fairness ==
  /\ WF_vars(\E h \in Hosts : Dial(h))
  /\ WF_vars(\E h \in Hosts : Shed(h))
  /\ WF_vars(\E t \in Tunnels : Connected(t))
  /\ WF_vars(\E t \in Tunnels, revtun \in BOOLEAN : AnsweredAccepted(t, revtun))
  /\ WF_vars(DrainEnd)

Spec     == Init /\ [][Next]_vars
FairSpec == Spec /\ Fairness

(***************************************************************************)
(* Properties                                                              *)
(***************************************************************************)
TypeOK ==
  /\ m.stage \in [Tunnels -> Stages]
  /\ m.host \in [Tunnels -> Hosts \cup {NoHost}]
  /\ \A t \in Tunnels : m.stage[t] = "none" <=> m.host[t] = NoHost
  /\ \A t \in m.revtun : m.stage[t] \in Idle
  /\ m.target \in [Hosts -> 0..MaxCount]
  /\ m.backoff \in [Hosts -> Backoffs]
  /\ m.drain \in {"no", "draining", "over"}

\* S1: no step adds a tunnel beyond the target; while draining the target is zero.
TargetBound ==
  [][\A h \in Hosts : Count(m', h, Live) > Count(m, h, Live) =>
       /\ Count(m', h, Live) <= m'.target[h]
       /\ m'.drain = "no"]_vars

\* S18: a host in backoff is dialled only while no other dial to it is under way.
NoDoubleDial ==
  [][\A h \in Hosts : Count(m', h, Pending) > Count(m, h, Pending) =>
       m.backoff[h] \in Calm \/ Count(m, h, Pending) = 0]_vars

\* However often a responder says GOAWAY, the tunnels that wind down are bounded.
DrainingBound == \A h \in Hosts : Count(m, h, {"draining"}) <= MaxCount

\* A drain that is over leaves no tunnel, and none comes again.
DrainedIsEmpty == m.drain = "over" => All(m) = {}

\* L1: when targets stay and harm stops, exactly the target is up, again and again.
TargetReached == []<>(m.drain # "no" \/ \A h \in Hosts : Count(m, h, Idle \cup InUse) = m.target[h])

\* A surplus does not last.
SurplusShed == \A h \in Hosts : []<>(Count(m, h, Live) <= Target(m, h))

\* L5: a drain ends, whatever streams, peers and the network do.
DrainEnds == m.drain = "draining" ~> m.drain = "over"

(***************************************************************************)
(* What must be reachable: each of these is to be violated.                *)
(***************************************************************************)
ReachFull        == \E h \in Hosts : Count(m, h, InUse) < MaxCount
ReachSurplus     == \A h \in Hosts : Count(m, h, Live) < 2 \/ Target(m, h) > 0
ReachProbe       == \A h \in Hosts : m.backoff[h] \in Calm \/ Count(m, h, Pending) # 1
ReachFlapping    == \A h \in Hosts : m.backoff[h] # "flapping"
ReachReplacement == \A h \in Hosts : Count(m, h, {"draining"}) < MaxCount \/ Count(m, h, Idle) < MaxCount
ReachDrained     == ~(m.drain = "over" /\ faults = Faults)

\* Safety only: with symmetry TLC's answers about liveness are worth nothing.
SlotSymmetry == Permutations(Tunnels)
Symmetry     == SlotSymmetry \cup Permutations(Hosts)
=============================================================================
