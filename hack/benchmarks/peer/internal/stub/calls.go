package stub

import (
	"sync"
	"time"
)

// Kind tells the calls apart.
type Kind string

// The calls that an operator makes.
const (
	Token  Kind = "token"
	Revoke Kind = "revoke"
	List   Kind = "list"
	Get    Kind = "get"
	Patch  Kind = "patch"
)

// Calls remembers which calls have come.
type Calls struct {
	mutex   sync.Mutex
	counts  map[Kind]int
	patches []PatchCall
}

// PatchCall is when a PATCH of an endpoint came.
type PatchCall struct {
	EndpointID string  `json:"endpointId"`
	Time       float64 `json:"time"` // Unix seconds
}

// Report is what has come so far.
type Report struct {
	Counts  map[Kind]int `json:"counts"`
	Patches []PatchCall  `json:"patches"`
}

// Count takes in a call that has just come.
func (c *Calls) Count(kind Kind, endpointID string) {
	now := float64(time.Now().UnixNano()) / 1e9
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.counts == nil {
		c.counts = map[Kind]int{}
	}
	c.counts[kind]++
	if kind == Patch {
		c.patches = append(c.patches, PatchCall{EndpointID: endpointID, Time: now})
	}
}

// Report returns a copy of what has come so far.
func (c *Calls) Report() Report {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	report := Report{Counts: map[Kind]int{}, Patches: append([]PatchCall{}, c.patches...)}
	for kind, count := range c.counts {
		report.Counts[kind] = count
	}
	return report
}

// Forget begins anew.
func (c *Calls) Forget() {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.counts, c.patches = nil, nil
}
