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
	List   Kind = "list"
	Get    Kind = "get"
	Post   Kind = "post"
	Patch  Kind = "patch"
	Delete Kind = "delete"
)

// Refused calls are beyond the limit; they count as calls of their kind, too.
const Refused Kind = "refused"

// Calls remembers which calls have come.
type Calls struct {
	mutex  sync.Mutex
	counts map[Kind]int
	writes []WriteCall
}

// WriteCall is when a call came that changes an endpoint or a service.
type WriteCall struct {
	ID   string  `json:"id"`
	Time float64 `json:"time"` // Unix seconds
}

// Report is what has come so far.
type Report struct {
	Counts map[Kind]int `json:"counts"`
	Writes []WriteCall  `json:"writes"`
}

// Count takes in a call that has just come, and what it is about.
func (c *Calls) Count(kind Kind, id string) {
	now := float64(time.Now().UnixNano()) / 1e9
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.counts == nil {
		c.counts = map[Kind]int{}
	}
	c.counts[kind]++
	if kind == Post || kind == Patch || kind == Delete {
		c.writes = append(c.writes, WriteCall{ID: id, Time: now})
	}
}

// Report returns a copy of what has come so far.
func (c *Calls) Report() Report {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	report := Report{Counts: map[Kind]int{}, Writes: append([]WriteCall{}, c.writes...)}
	for kind, count := range c.counts {
		report.Counts[kind] = count
	}
	return report
}

// Forget begins anew.
func (c *Calls) Forget() {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.counts, c.writes = nil, nil
}
