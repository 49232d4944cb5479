--------------------------- MODULE TraceInitiator ---------------------------
(***************************************************************************)
(* Is a run of the real initiator a behaviour of Initiator.tla? The        *)
(* records of TraceData are its steps, several runs one behind the other.  *)
(* Each has to be the action of its name, with its arguments, and to lead  *)
(* to the stages and effects that the code reported.                       *)
(*                                                                         *)
(* The runs are accepted if, and only if, NotAccepted is violated.         *)
(***************************************************************************)
EXTENDS Initiator, Sequences, TraceData

VARIABLES l,           \* the number of the next record
          generation,  \* of every slot: how many tunnels lived there before
          begun        \* the machine before its first step

traceVars == <<vars, l, generation, begun>>

\* What the code calls a tunnel.
Id(t) == <<t, generation[t]>>

\* Whether the record is about no tunnel, or about one that lives.
Fresh(e) == "tunnel" \in DOMAIN e => e.tunnel = Id(e.tunnel[1])

Timers == {"Dial", "Shed", "ConnectTimeout", "HandshakeTimeout", "Silence", "Grace", "DrainEnd"}

\* The action that the record names.
Action(e) ==
  CASE e.a = "TargetSet"        -> TargetSet(e.host, e.count)
    [] e.a = "Connected"        -> Connected(e.tunnel[1])
    [] e.a = "Answered"         -> IF e.answer = "Accepted"
                                   THEN AnsweredAccepted(e.tunnel[1], e.revtun)
                                   ELSE AnsweredOtherwise(e.tunnel[1])
    [] e.a = "Heard"            -> Heard(e.tunnel[1])
    [] e.a = "Used"             -> Used(e.tunnel[1], IF e.protocol = "Http2" THEN "http2" ELSE "http1")
    [] e.a = "Closed"           -> Closed(e.tunnel[1])
    [] e.a = "GoawayReceived"   -> GoawayReceived(e.tunnel[1])
    [] e.a = "DrainRequested"   -> DrainRequested
    [] e.a = "Dial"             -> Dial(e.host)
    [] e.a = "Shed"             -> Shed(e.host)
    [] e.a = "ConnectTimeout"   -> ConnectTimeout(e.tunnel[1])
    [] e.a = "HandshakeTimeout" -> HandshakeTimeout(e.tunnel[1])
    [] e.a = "Silence"          -> Silence(e.tunnel[1])
    [] e.a = "Grace"            -> Grace(e.tunnel[1])
    [] e.a = "DrainEnd"         -> DrainEnd
    [] e.a = "Tick"             -> FALSE

\* An event that means nothing to the machine changes nothing. A timer that fires always means something.
Stale(e) ==
  /\ e.a \notin Timers
  /\ ~(Fresh(e) /\ ENABLED Action(e))
  /\ UNCHANGED vars

(***************************************************************************)
(* What the code has to report of the step from m to m'.                   *)
(***************************************************************************)
Shown(stage) ==
  CASE stage = "dialing"                -> "Dialing"
    [] stage = "handshaking"            -> "Handshaking"
    [] stage \in {"unproven", "proven"} -> "Idle"
    [] stage \in {"http1", "http2"}     -> "InUse"
    [] stage = "draining"               -> "Draining"

ShownStages == {<<t, Shown(m'.stage[t])>> : t \in {u \in Tunnels : m'.stage[u] # "none"}}

Changed == {t \in Tunnels : m.stage[t] # m'.stage[t]}
Gone    == {t \in Changed : m'.stage[t] = "none"}

CloseReason(e) ==
  CASE e.a \in {"ConnectTimeout", "HandshakeTimeout"} -> e.a
    [] e.a = "Answered"                               -> e.answer
    [] e.a = "Silence"                                -> "Silent"
    [] e.a \in {"Shed", "GoawayReceived"}             -> "Surplus"
    [] e.a \in {"Grace", "DrainEnd"}                  -> "Drained"

Close(e, t) ==
  IF e.a = "Answered" /\ e.answer = "Refused"
  THEN [a |-> "Close", tunnel |-> Id(t), reason |-> "Refused", status |-> e.status]
  ELSE [a |-> "Close", tunnel |-> Id(t), reason |-> CloseReason(e)]

\* Hosts that the step was about and that nobody needs any more.
Forgotten(e) ==
  LET about(h)    == (e.a = "TargetSet" /\ e.host = h) \/ \E t \in Gone : m.host[t] = h
      unwanted(h) == IF e.a = "TargetSet" THEN e.count = 0 \/ m.drain # "no" ELSE Target(m, h) = 0
  IN {h \in Hosts : about(h) /\ unwanted(h) /\ Of(m', h, Stages) = {}}

\* Says(x) for the only element of S, if it has one.
One(S, Says(_)) == IF S = {} THEN <<>> ELSE <<Says(CHOOSE x \in S : TRUE)>>

Effects(e) ==
  LET into(stage) == {t \in Changed : m'.stage[t] = stage}
      told        == {t \in Changed : e.a = "Shed" /\ (m.stage[t] \in InUse \/ t \in m.revtun)}
      closed      == IF e.a = "Closed" THEN {} ELSE Gone
  IN One(into("dialing"), LAMBDA t : [a |-> "Dial", tunnel |-> Id(t), host |-> m'.host[t]])
     \o One(into("handshaking"), LAMBDA t : [a |-> "SendHandshake", tunnel |-> Id(t)])
     \o One(into("unproven"), LAMBDA t : [a |-> "Deliver", tunnel |-> Id(t)])
     \o One(told, LAMBDA t : [a |-> "Goaway", tunnel |-> Id(t)])
     \o One(closed, LAMBDA t : Close(e, t))
     \o One(Forgotten(e), LAMBDA h : [a |-> "Forget", host |-> h])
     \o IF m.drain # "over" /\ m'.drain = "over" THEN <<[a |-> "Drained"]>> ELSE <<>>

(***************************************************************************)
(* The runs                                                                *)
(***************************************************************************)
Taken(e) ==
  /\ (Fresh(e) /\ Action(e)) \/ Stale(e)
  /\ e.stages = ShownStages
  /\ e.effects = Effects(e)
  /\ generation' = [t \in Tunnels |-> IF t \in Gone THEN generation[t] + 1 ELSE generation[t]]

NextRun ==
  /\ m' = begun
  /\ Free
  /\ generation' = [t \in Tunnels |-> 0]

TraceInit ==
  /\ Init
  /\ l = 1
  /\ generation = [t \in Tunnels |-> 0]
  /\ begun = m

TraceNext ==
  /\ l <= Length
  /\ l' = l + 1
  /\ UNCHANGED begun
  /\ IF Record(l).a = "NextRun" THEN NextRun ELSE Taken(Record(l))

TraceSpec == TraceInit /\ [][TraceNext]_traceVars

\* What is the same in all states needs no comparing.
View == <<m, l, generation>>

NotAccepted == l <= Length
=============================================================================
