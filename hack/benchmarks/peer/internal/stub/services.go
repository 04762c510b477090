package stub

import (
	"fmt"
	"slices"
	"sync"
)

const regionName = "US_EAST_1"

// Service is the endpoint service of a region, as Atlas shows it.
type Service struct {
	ID                     string   `json:"id"`
	CloudProvider          string   `json:"cloudProvider"`
	EndpointServiceName    string   `json:"endpointServiceName"`
	ErrorMessage           *string  `json:"errorMessage"`
	InterfaceEndpoints     []string `json:"interfaceEndpoints"`
	RegionName             string   `json:"regionName"`
	Status                 string   `json:"status"`
	SupportedRemoteRegions []string `json:"supportedRemoteRegions"`
}

// ServicePopulation is the service of a project, with a number of registered endpoints.
type ServicePopulation struct {
	ProjectID   string   `json:"projectId"`
	ServiceID   string   `json:"serviceId"`
	EndpointIDs []string `json:"endpointIds"`
}

// Services holds all services of dedicated clusters, all of AWS.
type Services struct {
	mutex    sync.RWMutex
	projects map[string][]*Service
	created  int
}

// Replace has other services.
func (s *Services) Replace(populations []ServicePopulation) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.projects, s.created = map[string][]*Service{}, 0
	for _, population := range populations {
		service := newService(population.ServiceID, regionName)
		service.InterfaceEndpoints = append(service.InterfaceEndpoints, population.EndpointIDs...)
		s.projects[population.ProjectID] = append(s.projects[population.ProjectID], service)
	}
}

// List returns the services of a project.
func (s *Services) List(project string) []Service {
	s.mutex.RLock()
	defer s.mutex.RUnlock()
	services := make([]Service, 0, len(s.projects[project]))
	for _, service := range s.projects[project] {
		services = append(services, service.copy())
	}
	return services
}

// Get returns one service, and whether there is one.
func (s *Services) Get(project, id string) (Service, bool) {
	s.mutex.RLock()
	defer s.mutex.RUnlock()
	service := s.find(project, id)
	if service == nil {
		return Service{}, false
	}
	return service.copy(), true
}

// Create makes a service, unless the region has one.
func (s *Services) Create(project, region string) (Service, bool) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if slices.ContainsFunc(s.projects[project], func(each *Service) bool { return each.RegionName == region }) {
		return Service{}, false
	}
	s.created++
	service := newService(fmt.Sprintf("f%023x", s.created), region)
	s.projects[project] = append(s.projects[project], service)
	return service.copy(), true
}

// Update replaces the remote regions of a service and returns it as it is then, and whether there is one.
func (s *Services) Update(project, id string, regions []string) (Service, bool) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	service := s.find(project, id)
	if service == nil {
		return Service{}, false
	}
	service.SupportedRemoteRegions = regions
	return service.copy(), true
}

// Delete removes a service, and returns whether there was one.
func (s *Services) Delete(project, id string) bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	before := len(s.projects[project])
	s.projects[project] = slices.DeleteFunc(s.projects[project], func(each *Service) bool { return each.ID == id })
	return len(s.projects[project]) < before
}

// Register registers an endpoint, unless the service is missing or has it.
func (s *Services) Register(project, id, endpoint string) bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	service := s.find(project, id)
	if service == nil || slices.Contains(service.InterfaceEndpoints, endpoint) {
		return false
	}
	service.InterfaceEndpoints = append(service.InterfaceEndpoints, endpoint)
	return true
}

// Has returns whether an endpoint is registered.
func (s *Services) Has(project, id, endpoint string) bool {
	s.mutex.RLock()
	defer s.mutex.RUnlock()
	service := s.find(project, id)
	return service != nil && slices.Contains(service.InterfaceEndpoints, endpoint)
}

// Deregister removes an endpoint, and returns whether there was one.
func (s *Services) Deregister(project, id, endpoint string) bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	service := s.find(project, id)
	if service == nil || !slices.Contains(service.InterfaceEndpoints, endpoint) {
		return false
	}
	service.InterfaceEndpoints = slices.DeleteFunc(service.InterfaceEndpoints, func(each string) bool { return each == endpoint })
	return true
}

func (s *Services) find(project, id string) *Service {
	for _, service := range s.projects[project] {
		if service.ID == id {
			return service
		}
	}
	return nil
}

func newService(id, region string) *Service {
	return &Service{
		ID:                  id,
		CloudProvider:       providerName,
		EndpointServiceName: serviceName,
		InterfaceEndpoints:  []string{},
		RegionName:          region,
		Status:              available,
	}
}

func (s *Service) copy() Service {
	copied := *s
	copied.InterfaceEndpoints = slices.Clone(s.InterfaceEndpoints)
	return copied
}
