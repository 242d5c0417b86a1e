package stack

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/omninode-ai/omnibus/broker"
	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// Fault is a [broker.Fault] at /faults.
type Fault struct {
	ID    int    `json:"id,omitzero"`
	Key   string `json:"key"`
	Topic string `json:"topic,omitzero"`
	Error string `json:"error,omitzero"`
	Count int    `json:"count,omitzero"` // 0: until cleared
	Delay string `json:"delay,omitzero"` // "1.5s"
	Hits  int    `json:"hits"`
}

// Faults is the answer of /faults: what is active, what was added, or what was cleared.
type Faults struct {
	Schema string  `json:"schema"`
	Faults []Fault `json:"faults"`
}

// FaultRefusal is the answer of /faults to what it does not do.
type FaultRefusal struct {
	Schema string   `json:"schema"`
	Reason string   `json:"reason"`
	Known  []string `json:"known,omitzero"` // what is possible
}

// FaultOf gives f the form of /faults.
func FaultOf(f broker.Fault) Fault {
	out := Fault{ID: f.ID, Key: f.Key, Topic: f.Topic, Error: f.Error, Count: f.Count, Hits: f.Hits}
	if f.Delay != 0 {
		out.Delay = f.Delay.String()
	}
	return out
}

// faults serves the faults of the embedded broker at a loopback address, to programs of this machine. What a browser sends on
// behalf of another site is refused: it names another host, or comes without the type of content that only scripts of one's own
// may send.
type faults struct {
	broker   atomic.Pointer[broker.Broker] // nil: none runs
	loopback bool                          // the address is
}

func (f *faults) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	br := f.broker.Load()
	switch {
	case !f.loopback:
		refuse(w, http.StatusNotFound, "faults are served at loopback addresses only", nil)
	case br == nil:
		refuse(w, http.StatusNotFound, "no embedded broker runs here", nil)
	case !fromHere(r):
		refuse(w, http.StatusForbidden, "faults are for programs of this machine only", nil)
	case r.Method == http.MethodGet && r.PathValue("id") == "":
		answerFaults(w, http.StatusOK, br.Faults().List()...)
	case r.Method == http.MethodPost && r.PathValue("id") == "":
		f.add(w, r, br)
	case r.Method == http.MethodDelete:
		f.clear(w, r, br)
	default:
		w.Header().Set("Allow", "GET, POST, DELETE")
		refuse(w, http.StatusMethodNotAllowed, "GET lists, POST adds and DELETE clears", nil)
	}
}

// fromHere tells whether a program of this machine asks, and means this address.
func fromHere(r *http.Request) bool {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !peer.Addr().Unmap().IsLoopback() || r.Header.Get("Origin") != "" {
		return false
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// maxFault is far more than a fault takes.
const maxFault = 64 << 10

func (f *faults) add(w http.ResponseWriter, r *http.Request, br *broker.Broker) {
	if r.Header.Get("Content-Type") != "application/json" {
		refuse(w, http.StatusUnsupportedMediaType, "a fault comes as application/json", nil)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxFault))
	if err != nil {
		refuse(w, http.StatusBadRequest, "the request cannot be read", nil)
		return
	}
	var doc Fault
	if err := jsonx.UnmarshalStrict(body, &doc); err != nil {
		refuse(w, http.StatusBadRequest, "not a fault: "+err.Error(), nil)
		return
	}
	var delay time.Duration
	if doc.Delay != "" {
		if delay, err = time.ParseDuration(doc.Delay); err != nil {
			refuse(w, http.StatusBadRequest, "delay: not a duration such as 1.5s", nil)
			return
		}
	}
	added, err := br.Faults().Add(broker.Fault{Key: doc.Key, Topic: doc.Topic, Error: doc.Error, Count: doc.Count, Delay: delay})
	if wrong, ok := errors.AsType[*broker.FaultError](err); ok {
		refuse(w, http.StatusBadRequest, wrong.Error(), wrong.Known)
		return
	}
	answerFaults(w, http.StatusCreated, added)
}

func (f *faults) clear(w http.ResponseWriter, r *http.Request, br *broker.Broker) {
	text := r.PathValue("id")
	if text == "" {
		answerFaults(w, http.StatusOK, br.Faults().Clear()...)
		return
	}
	id, err := strconv.Atoi(text)
	if err != nil {
		refuse(w, http.StatusNotFound, "a fault has a number", nil)
		return
	}
	cleared := br.Faults().Clear(id)
	if len(cleared) == 0 {
		refuse(w, http.StatusNotFound, "fault "+strconv.Itoa(id)+" is not active", nil)
		return
	}
	answerFaults(w, http.StatusOK, cleared...)
}

func answerFaults(w http.ResponseWriter, status int, list ...broker.Fault) {
	doc := Faults{Schema: "omnibus.faults/v1", Faults: make([]Fault, len(list))}
	for i, f := range list {
		doc.Faults[i] = FaultOf(f)
	}
	answer(w, status, doc)
}

func refuse(w http.ResponseWriter, status int, reason string, known []string) {
	answer(w, status, FaultRefusal{Schema: "omnibus.faults.refusal/v1", Reason: reason, Known: known})
}
