// Package stub is an Atlas that answers at once and always well, but for a fixed latency, and counts the calls.
//
// It is no simulator (atlas-endpoints has a faithful one): it exists so that a benchmark measures operators and not Atlas.
package stub

import "sync"

const (
	available       = "AVAILABLE"
	providerName    = "AWS"
	serviceName     = "com.amazonaws.vpce.us-east-1.vpce-svc-0123456789abcdef0"
	cloudEndpointID = "vpce-0123456789abcdef0"
)

// Endpoint is an endpoint as Atlas shows it.
type Endpoint struct {
	ID                      string  `json:"_id"`
	CloudProviderEndpointID string  `json:"cloudProviderEndpointId"`
	Comment                 string  `json:"comment"`
	EndpointServiceName     string  `json:"endpointServiceName"`
	ErrorMessage            *string `json:"errorMessage"`
	ProviderName            string  `json:"providerName"`
	Status                  string  `json:"status"`
}

// Instance names a serverless instance.
type Instance struct {
	ProjectID string
	Name      string
}

// Population is a number of connected endpoints of one instance that have the same comment.
type Population struct {
	ProjectID    string   `json:"projectId"`
	InstanceName string   `json:"instanceName"`
	EndpointIDs  []string `json:"endpointIds"`
	Comment      string   `json:"comment"`
}

// World holds all endpoints of serverless instances.
type World struct {
	mutex     sync.RWMutex
	instances map[Instance][]*Endpoint
	endpoints map[Instance]map[string]*Endpoint
}

// Replace makes a new world of connected endpoints.
func (w *World) Replace(populations []Population) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.instances = map[Instance][]*Endpoint{}
	w.endpoints = map[Instance]map[string]*Endpoint{}
	for _, population := range populations {
		instance := Instance{population.ProjectID, population.InstanceName}
		if w.endpoints[instance] == nil {
			w.endpoints[instance] = map[string]*Endpoint{}
		}
		for _, id := range population.EndpointIDs {
			endpoint := &Endpoint{
				ID:                      id,
				CloudProviderEndpointID: cloudEndpointID,
				Comment:                 population.Comment,
				EndpointServiceName:     serviceName,
				ProviderName:            providerName,
				Status:                  available,
			}
			w.instances[instance] = append(w.instances[instance], endpoint)
			w.endpoints[instance][id] = endpoint
		}
	}
}

// List returns the endpoints of an instance.
func (w *World) List(instance Instance) []Endpoint {
	w.mutex.RLock()
	defer w.mutex.RUnlock()
	endpoints := make([]Endpoint, 0, len(w.instances[instance]))
	for _, endpoint := range w.instances[instance] {
		endpoints = append(endpoints, *endpoint)
	}
	return endpoints
}

// Get returns one endpoint, and whether there is one.
func (w *World) Get(instance Instance, id string) (Endpoint, bool) {
	w.mutex.RLock()
	defer w.mutex.RUnlock()
	endpoint, found := w.endpoints[instance][id]
	if !found {
		return Endpoint{}, false
	}
	return *endpoint, true
}

// Update changes one endpoint and returns it as it is then, and whether there is one.
func (w *World) Update(instance Instance, id string, change Change) (Endpoint, bool) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	endpoint, found := w.endpoints[instance][id]
	if !found {
		return Endpoint{}, false
	}
	if change.CloudProviderEndpointID != nil {
		endpoint.CloudProviderEndpointID = *change.CloudProviderEndpointID
	}
	if change.Comment != nil {
		endpoint.Comment = *change.Comment
	}
	return *endpoint, true
}

// Change is the body of a PATCH.
type Change struct {
	ProviderName            string  `json:"providerName"`
	CloudProviderEndpointID *string `json:"cloudProviderEndpointId"`
	Comment                 *string `json:"comment"`
}
