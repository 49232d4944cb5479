--------------------------- MODULE SystemProperties ---------------------------
(***************************************************************************)
(* What the system promises, by the names that the properties have in the  *)
(* code, the search and the simulation.                                    *)
(***************************************************************************)
EXTENDS System

(***************************************************************************)
(* What is promised. Worlds for liveness have no callers, and pings only   *)
(* where nobody answers: then all that goes on for ever is a livelock, and *)
(* little has to be promised: that what is sent arrives, that nothing      *)
(* stops while it can go on, and that what reaps, drains and restarts is   *)
(* not forgotten over redials.                                             *)
(***************************************************************************)
Fairness ==
  /\ \A t \in Slots : WF_vars((AtResponder(t) \/ AtInitiator(t)) /\ Calm)
  /\ WF_vars(\E t \in Slots : (Connecting(t) \/ Leaving(t)) /\ Calm)
  /\ WF_vars(\E t \in Slots : Beating(t) /\ Calm)
  /\ WF_vars(\E t \in Slots : Watching(t) /\ Calm)
  /\ WF_vars(Drain)
  /\ WF_vars(Operating /\ Calm)

FairSpec == Spec /\ Fairness

(***************************************************************************)
(* Safety                                                                  *)
(***************************************************************************)
TypeOK ==
  /\ First!TypeOK /\ Second!TypeOK /\ Cloud!TypeOK
  /\ \A t \in Slots : Len(wire[t].up) <= 4 /\ Len(wire[t].down) <= 5

\* S7: what the initiator takes for a tunnel, the responder has accepted, on this very connection.
UpMeansHandshaken == \A t \in Slots : Here(t) \in Up => wire[t].verdict = "accept"

\* S8: a responder that is down, or has just come up, knows nothing.
DownIsEmpty ==
  ~running => Cloud!Members(responder) = {} /\ responder.listed = {} /\ Cloud!Waiting(responder) = {}

\* S3: a tunnel is in the hands of one HTTP/2 connection, and of requests to whoever is at its other end.
OneHolder ==
  /\ \A t \in Slots : wire[t].prefaces <= 1
  /\ \A c \in Callers : responder.at[c] \in Slots => wire[responder.at[c]].prefaces = 1

\* S17: a tunnel is registered under the name of the process at its other end, and no other.
FailClosed == \A t \in Cloud!Members(responder) : responder.peer[t] = Name(t)

\* S4, from the caller's end to the process that gets the request.
TenantIsolation ==
  \A c \in Callers : responder.at[c] \in Slots => Name(responder.at[c]).tenant = c.tenant

\* S12: whoever was turned away is nowhere, and does not come in by a later message.
RejectIsFinal ==
  \A t \in Slots : wire[t].verdict = "reject" =>
    There(t) \in {"rejected", "none"} /\ t \notin responder.listed /\ Here(t) \in {"none"} \cup First!Pending

\* S5: an end that is gone says nothing more. A connection that got no name is turned away with a last word.
NoUseAfterClose ==
  [][\A t \in Slots :
       /\ Here(t) = "none" /\ Here(t)' = "none" => Len(wire'[t].up) <= Len(wire[t].up)
       /\ There(t) = "none" /\ There(t)' = "none" /\ wire[t].met => Len(wire'[t].down) <= Len(wire[t].down)]_vars

\* S6: a connection once gone from an end does not come back to it; a new one has nothing of it.
NoResurrection ==
  [][\A t \in Slots :
       /\ Here(t) = "none" /\ Here(t)' # "none" => Here(t)' = "dialing" /\ wire'[t] = [Fresh EXCEPT !.by = wire'[t].by]
       /\ There(t) = "none" /\ There(t)' # "none" => There(t)' = "handshaking" /\ ~wire[t].met]_vars

(***************************************************************************)
(* Liveness                                                                *)
(***************************************************************************)
Whole(t)    == Here(t) \in Up /\ There(t) \in Cloud!Staying /\ ~Cut(t)
Reached(of) == Cardinality({t \in of : Whole(t)}) = Count /\ Cardinality({t \in of : Here(t) # "none"}) = Count

\* L1: when harm stops, exactly the target is up again, at both ends.
TargetReached == []<>(Reached(FirstSlots) /\ (SecondSlots # {} => Reached(SecondSlots)))

\* L2: when harm stops, the registry holds what is up and nothing else.
RegistryConverges ==
  []<>(responder.listed = {t \in Slots : Whole(t)} /\ Cloud!Members(responder) = responder.listed)

\* L3 and L4: each end drops a tunnel whose other end is out of reach.
InitiatorReaps == \A t \in Slots : Cut(t) ~> Here(t) = "none"
ResponderReaps == \A t \in Slots : Cut(t) ~> There(t) = "none"

\* L5: a drain of the responder ends, though its peers redial.
DrainEnds == responder.drain = "telling" ~> responder.drain \in {"over", "no"}

\* L6: nobody is turned away or displaced for ever where there is room.
NoLivelock == <>[](\A t \in Slots : wire[t].verdict # "reject" /\ There(t) \notin Cloud!Leaving)

\* L7: every handshake ends, at both ends.
HandshakeEnds ==
  \A t \in Slots :
    /\ Here(t) \in First!Pending ~> Here(t) \notin First!Pending
    /\ There(t) = "handshaking" ~> There(t) # "handshaking"

(***************************************************************************)
(* What must be reachable: each of these is to be violated.                *)
(***************************************************************************)
IsStale(t)     == There(t) \in Cloud!Member /\ Here(t) = "none"
ReachReturn    == ~\E t, u \in FirstSlots : IsStale(t) /\ Whole(u)
ReachHalfOpen  == ~\E t \in Slots : Here(t) \in Up /\ There(t) = "none" /\ wire[t].down = <<>>
ReachCrowded   == ~\E t \in Slots : There(t) = "rejected" /\ \A u \in Slots \ {t} : There(u) = "none" \/ IsStale(u)
ReachRefusedDraining == ~\E t \in Slots : responder.drain # "no" /\ wire[t].verdict = "reject"
ReachRolling   == ~(faults = Faults /\ responder.drain = "no" /\ running /\ \E t \in Slots : Whole(t))
ReachBusyDrain == ~\E c \in Callers : responder.at[c] \in Slots /\ Here(responder.at[c]) = "draining"

\* Safety only: with symmetry TLC's answers about liveness are worth nothing.
Symmetry == Permutations(FirstSlots) \cup Permutations(SecondSlots)
=============================================================================
