------------------------------- MODULE System -------------------------------
(***************************************************************************)
(* Both machines, whole, and what lies between them: two initiators, one   *)
(* responder, a network that loses, and processes that die and come back.  *)
(*                                                                         *)
(*    first  --- up: request, echo, goaway, fin ---------->                *)
(*           <-- down: yes, no, ping, preface, goaway, fin   responder     *)
(*    second --------------------------------------------->                *)
(*                                                                         *)
(* A slot is a connection: the initiator's end and the responder's have    *)
(* the same name, and each machine knows only its own. What a machine does *)
(* shows on the wire (`Told`); what arrives is an event of the other one.  *)
(* An action here is an event of one machine and its way over the wire.    *)
(***************************************************************************)
EXTENDS Naturals, FiniteSets, Sequences, TLC

CONSTANTS FirstSlots,   \* connections of the first initiator
          SecondSlots,  \* connections of the second; none if there is no second
          FirstName,    \* who the first says it is: [tenant, node, cluster]
          SecondName,
          Count,        \* the target of both
          Callers,      \* as in Responder.tla
          MaxPerNode,   \* as in Responder.tla
          Beats,        \* whether living tunnels are pinged; if not, only those that do not answer are
          Harms,        \* which harm can be done here
          Faults,       \* how often
          Bug           \* "none", or the name of a mistake to plant, here or in one of the machines

VARIABLES first, second,  \* the initiators
          responder,
          running,        \* whether the responder's process lives
          process,        \* how many processes of the first there were so far
          wire,           \* what is under way on each connection, and its history
          faults          \* harm done so far

vars  == <<first, second, responder, running, process, wire, faults>>
Slots == FirstSlots \cup SecondSlots
Host  == "cloud"

\* The second never dies, and its number is none of the first's.
OfFirst(nr) == [tenant |-> FirstName.tenant, node |-> FirstName.node, cluster |-> FirstName.cluster, instance |-> nr]
OfSecond    == [tenant |-> SecondName.tenant, node |-> SecondName.node, cluster |-> SecondName.cluster, instance |-> 9]
Peers       == {OfFirst(nr) : nr \in 1..(Faults + 1)} \cup {OfSecond}

\* Budgets are counted here, so the machines' own are endless.
First  == INSTANCE Initiator WITH m <- first, changes <- 0, faults <- 0, Hosts <- {Host}, Tunnels <- FirstSlots,
                                  MaxCount <- Count, Changes <- 1000, Faults <- 1000
Second == INSTANCE Initiator WITH m <- second, changes <- 0, faults <- 0, Hosts <- {Host}, Tunnels <- SecondSlots,
                                  MaxCount <- Count, Changes <- 1000, Faults <- 1000
Cloud  == INSTANCE Responder WITH m <- responder, Tunnels <- Slots, MaxStreams <- 1, MaxWaiting <- 1,
                                  MaxPerTenant <- 1000, Drains <- "all", AnyCluster <- FALSE,
                                  PeerLimits <- {}

Here(t)  == IF t \in FirstSlots THEN first.stage[t] ELSE second.stage[t]
There(t) == responder.stage[t]
Name(t)  == IF t \in FirstSlots THEN OfFirst(wire[t].by) ELSE OfSecond
Idle     == {"unproven", "proven"}
Up       == Idle \cup {"http1", "http2"}

Fresh == [up |-> <<>>, down |-> <<>>,
          by       |-> 0,       \* the process that dialled
          cut      |-> {},      \* directions in which every byte vanishes
          met      |-> FALSE,   \* the responder's kernel has taken it
          verdict  |-> "none",  \* the responder's, "accept" or "reject"
          prefaces |-> 0]       \* HTTP/2 connections that were begun on it

Init ==
  /\ first = [First!New EXCEPT !.target[Host] = Count]
  /\ second = [Second!New EXCEPT !.target[Host] = IF SecondSlots = {} THEN 0 ELSE Count]
  /\ responder = Cloud!New
  /\ running = TRUE
  /\ process = 1
  /\ wire = [t \in Slots |-> Fresh]
  /\ faults = 0

(***************************************************************************)
(* The wire                                                                *)
(***************************************************************************)
Send(line, direction, messages) ==
  IF direction \in line.cut THEN line ELSE [line EXCEPT ![direction] = @ \o messages]

\* Silent in these directions from now on, and what is under way is lost.
Severed(line, directions) ==
  [line EXCEPT !.cut = @ \cup directions,
               !.up = IF "up" \in directions THEN <<>> ELSE @,
               !.down = IF "down" \in directions THEN <<>> ELSE @]

\* What the initiator's step says on connection t. An echo, and a goaway of its own, are said where it decides on them.
SaidUp(t) ==
  LET was == Here(t)
      is  == Here(t)'
  IN CASE was = is                              -> <<>>
       [] is = "none"                           -> <<"fin">>
       [] was = "dialing" /\ is = "handshaking" -> <<"request">>
       [] OTHER                                 -> <<>>

\* What the responder's step says. A tunnel that goes away unused is told with a preface before the goaway.
SaidDown(t) ==
  LET was == There(t)
      is  == There(t)'
      more == Bug = "SecondPreface" /\ Cloud!Streams(responder', t) > Cloud!Streams(responder, t)
  IN CASE (was = is /\ ~more) \/ was = "rejected"    -> <<>>
       [] is = "none"                                -> <<"fin">>
       [] was = "handshaking" /\ is \in Cloud!Member -> <<"accept">>
       [] is = "rejected"                            -> <<"reject", "fin">>
       [] is = "awaiting"                            -> <<"ping">>
       [] is = "inuse"                               -> <<"preface">>
       [] is = "draining" /\ wire[t].prefaces = 0    -> <<"preface", "goaway">>
       [] is = "draining"                            -> <<"goaway">>
       [] OTHER                                      -> <<>>

\* A request on a tunnel that carries one already goes into the same HTTP/2 connection.
Prefaces(said) == Cardinality({i \in DOMAIN said : said[i] = "preface"})

\* The wires after this step, `lines` being those before it without what was taken from them. A connection that nobody
\* knows any more is over; only then can its name be used again.
Told(lines) ==
  wire' = [t \in Slots |->
    IF Here(t)' = "none" /\ There(t)' = "none"
    THEN Fresh
    ELSE LET down == SaidDown(t)
             line == Send(Send(lines[t], "up", SaidUp(t)), "down", down)
         IN [line EXCEPT !.prefaces = @ + Prefaces(down),
                         !.verdict = CASE down = <<"accept">>        -> "accept"
                                       [] down = <<"reject", "fin">> -> "reject"
                                       [] OTHER                      -> @]]

Taken(t, direction) == [wire EXCEPT ![t][direction] = Tail(@)]

\* The next message for the initiator and for the responder. Before `Connected` the initiator sees nothing.
NextDown(t) == IF wire[t].down = <<>> \/ Here(t) = "dialing" THEN "nothing" ELSE Head(wire[t].down)
NextUp(t)   == IF wire[t].up = <<>> THEN "nothing" ELSE Head(wire[t].up)

(***************************************************************************)
(* Who acts                                                                *)
(***************************************************************************)
Calm == UNCHANGED faults
Harm(kind) == kind \in Harms /\ faults < Faults /\ faults' = faults + 1
Same == UNCHANGED <<running, process>>

\* The event of the initiator to which t belongs, or of the responder.
Initiator(t, ofFirst, ofSecond) ==
  /\ IF t \in FirstSlots THEN ofFirst /\ UNCHANGED second ELSE ofSecond /\ UNCHANGED first
  /\ UNCHANGED responder /\ Same
Responder(event) == event /\ UNCHANGED <<first, second>> /\ Same

(***************************************************************************)
(* Connecting                                                              *)
(***************************************************************************)
Free(t) == Here(t) = "none" /\ (There(t) = "none" \/ Bug = "ReusedIds")

\* With `ReusedIds` what was meant for the connection before is still under way.
Dial(t) ==
  /\ Free(t) /\ Calm
  /\ Initiator(t, First!Dial(Host), Second!Dial(Host))
  /\ Here(t)' = "dialing"
  /\ wire' = [wire EXCEPT ![t] = [Fresh EXCEPT !.by = IF t \in FirstSlots THEN process ELSE 9,
                                               !.up = wire[t].up, !.down = wire[t].down]]

Arriving(t) == Here(t) = "dialing" /\ ~wire[t].met /\ wire[t].cut = {}
Met(t)      == [wire EXCEPT ![t].met = TRUE]

Accepted(t) == Arriving(t) /\ running /\ Calm /\ Responder(Cloud!Accepted(t)) /\ Told(Met(t))

\* A responder that is being drained turns the connection away and gives it no name.
RefusedDraining(t) ==
  /\ Arriving(t) /\ running /\ responder.drain # "no" /\ Calm
  /\ wire' = [Met(t) EXCEPT ![t].verdict = "reject", ![t].down = <<"reject", "fin">>]
  /\ UNCHANGED <<first, second, responder, running, process>>

Refused(t) ==
  Arriving(t) /\ ~running /\ Calm /\ Initiator(t, First!Closed(t), Second!Closed(t)) /\ Told(wire)

Connected(t) ==
  /\ wire[t].met /\ "down" \notin wire[t].cut /\ Calm
  /\ Initiator(t, First!Connected(t), Second!Connected(t))
  /\ Told(wire)

(***************************************************************************)
(* Arriving at the responder                                               *)
(***************************************************************************)
HandshakeReceived(t) ==
  NextUp(t) = "request" /\ Calm /\ Responder(Cloud!HandshakeReceived(t, Name(t), TRUE)) /\ Told(Taken(t, "up"))

\* The process at the other end says that it is somebody else, and the edge knows better; or what it says is no request.
Forged(t) ==
  /\ NextUp(t) = "request" /\ Harm("forgery")
  /\ \E claim \in {OfFirst(process), OfSecond} \ {Name(t)} : Responder(Cloud!HandshakeReceived(t, claim, FALSE))
  /\ Told(Taken(t, "up"))
Garbled(t) == NextUp(t) = "request" /\ Harm("forgery") /\ Responder(Cloud!HandshakeInvalid(t)) /\ Told(Taken(t, "up"))

Echoed(t) == NextUp(t) = "echo" /\ Calm /\ Responder(Cloud!Echoed(t)) /\ Told(Taken(t, "up"))

GoawayHeard(t) == NextUp(t) = "goaway" /\ Calm /\ Responder(Cloud!GoawayReceived(t)) /\ Told(Taken(t, "up"))

Ended(t) == NextUp(t) = "fin" /\ Calm /\ Responder(Cloud!Closed(t)) /\ Told(Taken(t, "up"))

\* What comes for an end that is gone, or is past it, changes nothing.
Belated(t) ==
  /\ \/ NextUp(t) # "nothing" /\ There(t) = "none"
     \/ NextUp(t) \in {"echo", "goaway"} /\ There(t) \notin Cloud!Member
     \/ NextUp(t) = "request" /\ There(t) # "handshaking"
  /\ wire' = Taken(t, "up")
  /\ UNCHANGED <<first, second, responder, running, process, faults>>

(***************************************************************************)
(* Arriving at the initiator                                               *)
(***************************************************************************)
Welcomed(t) ==
  /\ NextDown(t) = "accept" /\ Calm
  /\ Initiator(t, First!AnsweredAccepted(t, TRUE), Second!AnsweredAccepted(t, TRUE))
  /\ Told(Taken(t, "down"))

TurnedAway(t) ==
  /\ NextDown(t) = "reject" /\ Calm
  /\ IF Bug = "RefusalIgnored"
     THEN Initiator(t, First!AnsweredAccepted(t, TRUE), Second!AnsweredAccepted(t, TRUE))
     ELSE Initiator(t, First!AnsweredOtherwise(t), Second!AnsweredOtherwise(t))
  /\ Told(Taken(t, "down"))

\* An initiator that has said goaway echoes nothing more.
Pinged(t) ==
  /\ NextDown(t) = "ping" /\ Calm
  /\ Initiator(t, First!Heard(t), Second!Heard(t))
  /\ Told([Taken(t, "down") EXCEPT ![t] = Send(@, "up", IF Here(t) \in Up THEN <<"echo">> ELSE <<>>)])

Used(t) ==
  /\ NextDown(t) = "preface" /\ Calm
  /\ Initiator(t, First!Used(t, "http2"), Second!Used(t, "http2"))
  /\ Told(Taken(t, "down"))

GoawayReceived(t) ==
  /\ NextDown(t) = "goaway" /\ Calm
  /\ Initiator(t, First!GoawayReceived(t), Second!GoawayReceived(t))
  /\ Told(Taken(t, "down"))

Closed(t) ==
  /\ NextDown(t) = "fin" /\ Calm
  /\ Initiator(t, First!Closed(t), Second!Closed(t))
  /\ Told(Taken(t, "down"))

Stale(t) ==
  /\ \/ NextDown(t) # "nothing" /\ Here(t) = "none"
     \/ NextDown(t) = "goaway" /\ Here(t) \notin Up
     \/ NextDown(t) \in {"accept", "reject"} /\ Here(t) # "handshaking"
  /\ LET rest == Taken(t, "down")
     IN wire' = IF Bug = "EchoAfterClose" /\ NextDown(t) = "ping"
                THEN [rest EXCEPT ![t] = Send(@, "up", <<"echo">>)]
                ELSE rest
  /\ UNCHANGED <<first, second, responder, running, process, faults>>

(***************************************************************************)
(* Timers. Those that watch the peer fire when it is really silent, or     *)
(* late at the cost of harm: time is left out, but not why a timer fires.  *)
(***************************************************************************)
When(silent) == (silent /\ Calm) \/ (~silent /\ Harm("delay"))

\* Nothing more will come: to the initiator's end, to the responder's.
Cut(t)    == wire[t].cut # {}
Deaf(t)   == wire[t].down = <<>> /\ (There(t) = "none" \/ Cut(t))
Unheard(t) == wire[t].up = <<>> /\ (Here(t) = "none" \/ Cut(t))
Echoless(t) == wire[t].up = <<>> /\ "ping" \notin {wire[t].down[i] : i \in DOMAIN wire[t].down}

ConnectTimeout(t) ==
  /\ Here(t) = "dialing"
  /\ When(Cut(t) /\ (wire[t].met => "down" \in wire[t].cut))
  /\ Initiator(t, First!ConnectTimeout(t), Second!ConnectTimeout(t))
  /\ Told(wire)

AnswerTimeout(t) ==
  /\ Here(t) = "handshaking" /\ Bug # "PatientInitiator"
  /\ When(Deaf(t))
  /\ Initiator(t, First!HandshakeTimeout(t), Second!HandshakeTimeout(t))
  /\ Told(wire)

\* Pings still come to an idle tunnel while only the way up is cut; the responder ends that.
InitiatorSilence(t) ==
  /\ Here(t) \in Idle \cup {"http2"} /\ Bug # "DeafInitiator"
  /\ When(Deaf(t) /\ (Here(t) \in Idle /\ There(t) # "none" => "down" \in wire[t].cut))
  /\ Initiator(t, First!Silence(t), Second!Silence(t))
  /\ Told(wire)

RequestTimeout(t) ==
  /\ There(t) = "handshaking" /\ Bug # "PatientResponder"
  /\ When(Unheard(t))
  /\ Responder(Cloud!HandshakeTimeout(t)) /\ Told(wire)

EchoTimeout(t) ==
  /\ There(t) = "awaiting" /\ Bug # "DeafResponder"
  /\ When(Echoless(t))
  /\ Responder(Cloud!EchoTimeout(t)) /\ Told(wire)

ResponderSilence(t) ==
  /\ There(t) = "inuse" /\ Bug # "DeafResponder"
  /\ When(Unheard(t))
  /\ Responder(Cloud!Silence(t)) /\ Told(wire)

Settle(t) == Calm /\ Responder(Cloud!Settle(t)) /\ Told(wire)
Ping(t)   == (Beats \/ Cut(t) \/ Here(t) = "none") /\ Calm /\ Responder(Cloud!Ping(t)) /\ Told(wire)
Linger(t) == Calm /\ Responder(Cloud!Linger(t)) /\ Told(wire)
Retire(t) == Calm /\ Responder(Cloud!Retire(t)) /\ Told(wire)
Grace(t)  ==
  /\ Calm
  /\ \/ Responder(Cloud!Grace(t))
     \/ Initiator(t, First!Grace(t), Second!Grace(t))
  /\ Told(wire)

(***************************************************************************)
(* Callers, the operator, and drains                                       *)
(***************************************************************************)
Opened(c)      == running /\ Calm /\ Responder(Cloud!Opened(c)) /\ Told(wire)
Released(t)    == Calm /\ Responder(Cloud!Released(t)) /\ Told(wire)
Serve(target)  == Calm /\ Responder(Cloud!Serve(target)) /\ Told(wire)
WaitTimeout(c) == Calm /\ Responder(Cloud!WaitTimeout(c)) /\ Told(wire)

ResponderDrain == running /\ Harm("drain") /\ Responder(Cloud!DrainRequested) /\ Told(wire)
Drain          == Calm /\ Responder(Cloud!Drain) /\ Told(wire)

\* The first's process winds down, and the operator starts another one when it is done.
InitiatorDrain ==
  /\ Harm("leave") /\ First!DrainRequested
  /\ UNCHANGED <<second, responder, running, process>> /\ Told(wire)
\* It says so on what it sheds, wherever that is understood; also where too much winds down already and it closes at once.
Goodbyes == [t \in Slots |-> IF Here(t)' # Here(t) /\ (Here(t) \in First!InUse \/ t \in first.revtun)
                             THEN Send(wire[t], "up", <<"goaway">>)
                             ELSE wire[t]]
Shed ==
  /\ Calm /\ First!Shed(Host)
  /\ UNCHANGED <<second, responder, running, process>> /\ Told(Goodbyes)
DrainEnd ==
  /\ Calm /\ First!DrainEnd
  /\ UNCHANGED <<second, responder, running, process>> /\ Told(wire)

(***************************************************************************)
(* Harm                                                                    *)
(***************************************************************************)
Sever(t, directions) ==
  /\ Harm("cut") /\ wire[t].cut = {} /\ Here(t) # "none"
  /\ wire' = [wire EXCEPT ![t] = Severed(@, directions)]
  /\ UNCHANGED <<first, second, responder, running, process>>

Restarted == [First!New EXCEPT !.target[Host] = Count]

\* A process dies and its kernel says so, or the whole machine does and says nothing. Then there is a new one.
InitiatorDies(silently) ==
  /\ \/ Harm(IF silently THEN "initiator power loss" ELSE "initiator crash")
     \/ first.drain = "over" /\ ~silently /\ Calm
  /\ first' = Restarted
  /\ process' = process + 1
  /\ UNCHANGED <<second, responder, running>>
  /\ Told([t \in Slots |-> IF silently /\ t \in FirstSlots THEN Severed(wire[t], {"up", "down"}) ELSE wire[t]])

ResponderDies(silently) ==
  /\ running
  /\ \/ Harm(IF silently THEN "responder power loss" ELSE "responder crash")
     \/ responder.drain = "over" /\ ~silently /\ Calm
  /\ responder' = IF Bug = "KeepsRegistry" THEN responder ELSE Cloud!New
  /\ running' = FALSE
  /\ UNCHANGED <<first, second, process>>
  /\ Told([t \in Slots |-> IF silently THEN Severed(wire[t], {"up", "down"}) ELSE wire[t]])

Start == ~running /\ running' = TRUE /\ UNCHANGED <<first, second, responder, process, wire, faults>>

(***************************************************************************)
(* Everything that can happen                                              *)
(***************************************************************************)
Connecting(t) == Dial(t) \/ Accepted(t) \/ RefusedDraining(t) \/ Refused(t) \/ Connected(t)

AtResponder(t) == HandshakeReceived(t) \/ Echoed(t) \/ GoawayHeard(t) \/ Ended(t) \/ Belated(t)

AtInitiator(t) ==
  Welcomed(t) \/ TurnedAway(t) \/ Pinged(t) \/ Used(t) \/ GoawayReceived(t) \/ Closed(t) \/ Stale(t)

Beating(t) == Settle(t) \/ Ping(t)

Watching(t) ==
  \/ ConnectTimeout(t) \/ AnswerTimeout(t) \/ InitiatorSilence(t)
  \/ RequestTimeout(t) \/ EchoTimeout(t) \/ ResponderSilence(t)

Leaving(t) == Linger(t) \/ Retire(t) \/ Grace(t)

Operating == Shed \/ DrainEnd \/ InitiatorDies(FALSE) \/ ResponderDies(FALSE) \/ Start

Calling ==
  \/ \E c \in Callers : Opened(c) \/ WaitTimeout(c)
  \/ \E t \in Slots : Released(t)
  \/ \E target \in Cloud!Targets : Serve(target)

Harming ==
  \/ \E t \in Slots : Forged(t) \/ Garbled(t) \/ \E directions \in SUBSET {"up", "down"} \ {{}} : Sever(t, directions)
  \/ ResponderDrain \/ InitiatorDrain \/ InitiatorDies(TRUE) \/ ResponderDies(TRUE)

Next ==
  \/ \E t \in Slots :
       \/ Connecting(t) \/ AtResponder(t) \/ AtInitiator(t)
       \/ Beating(t) \/ Watching(t) \/ Leaving(t)
  \/ Drain \/ Operating \/ Calling \/ Harming

Spec == Init /\ [][Next]_vars
=============================================================================
